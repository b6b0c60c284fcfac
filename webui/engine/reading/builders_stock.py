"""Make the networks of models that run through their stock pipelines, without weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from diffusers import (
    ChromaTransformer2DModel,
    Flux2Transformer2DModel,
    Lumina2Transformer2DModel,
    QwenImageTransformer2DModel,
)
from torch import nn
from transformers import (
    Gemma2Config,
    Gemma2Model,
    MistralConfig,
    MistralModel,
    Qwen2_5_VLTextConfig,
    Qwen2_5_VLTextModel,
)

from webui.engine.reading.builders_base import of_diffusers, of_transformers

flux2 = of_diffusers(Flux2Transformer2DModel)
qwen_image = of_diffusers(QwenImageTransformer2DModel)
lumina2 = of_diffusers(Lumina2Transformer2DModel)
chroma = of_diffusers(ChromaTransformer2DModel)
# Without the heads that choose words; texts alone need no eyes either.
gemma2 = of_transformers(Gemma2Model, Gemma2Config)
qwen_vl = of_transformers(Qwen2_5_VLTextModel, Qwen2_5_VLTextConfig)


def mistral(config: Mapping[str, Any], facts: Mapping[str, Any]) -> nn.Module:
    """A Mistral without the head that chooses words; with "final_norm" false also without its last norm."""
    network = MistralModel(MistralConfig(**{name: value for name, value in config.items() if name != "final_norm"}))
    if not config.get("final_norm", True):
        network.norm = nn.Identity()
    return network
