"""Make the autoencoders of later families from their configurations, without weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from diffusers import AutoencoderKLFlux2, AutoencoderKLQwenImage
from torch import nn


def flux2(config: Mapping[str, Any], facts: Mapping[str, Any]) -> nn.Module:
    """Flux.2's autoencoder."""
    network: nn.Module = AutoencoderKLFlux2.from_config(dict(config))
    return network


def qwen_image(config: Mapping[str, Any], facts: Mapping[str, Any]) -> nn.Module:
    """Qwen-Image's autoencoder, which is Wan 2.1's in form."""
    network: nn.Module = AutoencoderKLQwenImage.from_config(dict(config))
    return network
