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


def flux2(config: Mapping[str, Any], facts: Mapping[str, Any]) -> nn.Module:
    """A transformer of Flux.2."""
    network: nn.Module = Flux2Transformer2DModel.from_config(dict(config))
    return network


def qwen_image(config: Mapping[str, Any], facts: Mapping[str, Any]) -> nn.Module:
    """A transformer of Qwen-Image."""
    network: nn.Module = QwenImageTransformer2DModel.from_config(dict(config))
    return network


def lumina2(config: Mapping[str, Any], facts: Mapping[str, Any]) -> nn.Module:
    """A transformer of Lumina 2."""
    network: nn.Module = Lumina2Transformer2DModel.from_config(dict(config))
    return network


def chroma(config: Mapping[str, Any], facts: Mapping[str, Any]) -> nn.Module:
    """A transformer of Chroma."""
    network: nn.Module = ChromaTransformer2DModel.from_config(dict(config))
    return network


def gemma2(config: Mapping[str, Any], facts: Mapping[str, Any]) -> nn.Module:
    """A Gemma 2 without the head that chooses words."""
    network: nn.Module = Gemma2Model(Gemma2Config(**config))
    return network


def mistral(config: Mapping[str, Any], facts: Mapping[str, Any]) -> nn.Module:
    """A Mistral without the head that chooses words; with "final_norm" false also without its last norm."""
    network = MistralModel(MistralConfig(**{name: value for name, value in config.items() if name != "final_norm"}))
    if not config.get("final_norm", True):
        network.norm = nn.Identity()
    return network


def qwen_vl(config: Mapping[str, Any], facts: Mapping[str, Any]) -> nn.Module:
    """The language model of a Qwen2.5-VL: texts alone need no eyes."""
    network: nn.Module = Qwen2_5_VLTextModel(Qwen2_5_VLTextConfig(**config))
    return network
