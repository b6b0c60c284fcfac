"""Names and shapes of the tensors of whole checkpoints: all of SD1's and SDXL's names, with small widths."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from webui.engine.layouts import clip, ldm
from webui.engine.layouts.base import Layout, give

_WIDTH = 64
_TOKENS = 100


def sd1() -> dict[str, tuple[int, ...]]:
    """Of a checkpoint of Stable Diffusion 1."""
    ways = ("CrossAttn", "CrossAttn", "CrossAttn", "")
    with torch.device("meta"):
        unet = _unet(ways, cross_attention_dim=_WIDTH)
        text = CLIPTextModel(_text(12))
    return {
        **_named(unet, ldm.unet, "model.diffusion_model."),
        **_vae(),
        **_named(text, clip.transformers, "cond_stage_model.transformer."),
    }


def sdxl() -> dict[str, tuple[int, ...]]:
    """Of a checkpoint of Stable Diffusion XL."""
    with torch.device("meta"):
        unet = _unet(
            ("", "CrossAttn", "CrossAttn"),
            cross_attention_dim=2 * _WIDTH,
            use_linear_projection=True,
            transformer_layers_per_block=(1, 2, 10),
            addition_embed_type="text_time",
            addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=_WIDTH + 6 * 256,
        )
        small, large = CLIPTextModel(_text(12)), CLIPTextModelWithProjection(_text(32))
    return {
        **_named(unet, ldm.unet, "model.diffusion_model."),
        **_vae(),
        **_named(small, clip.transformers, "conditioner.embedders.0.transformer."),
        **_named(large, clip.open_clip, "conditioner.embedders.1.model."),
    }


def _unet(ways: tuple[str, ...], **more: Any) -> nn.Module:
    return UNet2DConditionModel(
        block_out_channels=tuple(32 for _ in ways),
        down_block_types=tuple(f"{way}DownBlock2D" for way in ways),
        up_block_types=tuple(f"{way}UpBlock2D" for way in reversed(ways)),
        layers_per_block=2,
        **more,
    )


def _vae() -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        network = AutoencoderKL(
            latent_channels=4,
            block_out_channels=(32,) * 4,
            layers_per_block=2,
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
        )
    return _named(network, ldm.vae, "first_stage_model.")


def _text(layers: int) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=_TOKENS,
        hidden_size=_WIDTH,
        intermediate_size=_WIDTH,
        num_hidden_layers=layers,
        num_attention_heads=1,
        projection_dim=_WIDTH,
        bos_token_id=_TOKENS - 2,
        eos_token_id=_TOKENS - 1,
    )


def _named(network: Any, layout: Layout, prefix: str) -> dict[str, tuple[int, ...]]:
    given = network.config
    config: Mapping[str, Any] = dict(given.to_dict() if hasattr(given, "to_dict") else given)
    tensors = give((layout(name, config), tensor) for name, tensor in network.state_dict().items())
    return {prefix + name: tuple(tensor.shape) for name, tensor in tensors.items()}
