"""Make Z-Image's transformers and the Qwen3 models that encode texts for them, without weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from diffusers import ZImageTransformer2DModel
from torch import nn
from transformers import Qwen3Config, Qwen3Model


def z_image(config: Mapping[str, Any], facts: Mapping[str, Any]) -> nn.Module:
    """A transformer of Z-Image."""
    network: nn.Module = ZImageTransformer2DModel.from_config(dict(config))
    return network


def qwen3(config: Mapping[str, Any], facts: Mapping[str, Any]) -> nn.Module:
    """A Qwen3 without the head that chooses words."""
    network: nn.Module = Qwen3Model(Qwen3Config(**config))
    return network
