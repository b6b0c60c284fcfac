"""Make the networks of the built-in architectures from their configurations, without weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from webui.engine.reading.builders_base import of_diffusers

unet = of_diffusers(UNet2DConditionModel)


def vae(config: Mapping[str, Any], facts: Mapping[str, Any]) -> nn.Module:
    """An autoencoder; one without an encoder is all decoder."""
    network: Any = AutoencoderKL.from_config(dict(config))
    if not facts.get("encoder", True):
        network.encoder = None
        network.quant_conv = None
    return cast(nn.Module, network)


def clip(config: Mapping[str, Any], facts: Mapping[str, Any]) -> nn.Module:
    """A CLIP text encoder, with its projection where the file has one."""
    kind = CLIPTextModelWithProjection if facts.get("projection") else CLIPTextModel
    return kind(CLIPTextConfig(**config))
