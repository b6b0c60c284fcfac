"""Make the networks of flow models from their configurations, without weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from diffusers import FluxTransformer2DModel, SD3Transformer2DModel
from torch import nn
from transformers import T5Config, T5EncoderModel

from webui.engine.reading.builders_base import of_diffusers

flux = of_diffusers(FluxTransformer2DModel)


def sd3(config: Mapping[str, Any], facts: Mapping[str, Any]) -> nn.Module:
    """A transformer of Stable Diffusion 3 or 3.5."""
    # The file holds its table of places; to compute that of SD3.5 medium would take 15 seconds and 3 GB.
    with torch.device("meta"):
        network: nn.Module = SD3Transformer2DModel.from_config(dict(config))
    return network


def t5(config: Mapping[str, Any], facts: Mapping[str, Any]) -> nn.Module:
    """T5's encoder alone: the model round it holds nothing but the table of tokens once more."""
    network: nn.Module = T5EncoderModel(T5Config(**config)).encoder
    return network
