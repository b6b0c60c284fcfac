"""Names and shapes of the tensors of whole checkpoints: of SD1 and SDXL at their true size, or with small widths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from webui.engine.layouts import clip, ldm
from webui.engine.layouts.base import Layout, give

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Widths:
    """How wide the networks are; how many layers they have is always that of the true ones.

    text, large_text: of CLIP-L and OpenCLIP-G. unet, vae: of their four levels; SDXL's UNet has the first three.
    """

    text: int
    large_text: int
    tokens: int
    unet: tuple[int, int, int, int]
    vae: tuple[int, int, int, int]


SMALL = Widths(64, 64, 100, (32, 32, 32, 32), (32, 32, 32, 32))
TRUE = Widths(768, 1280, 49_408, (320, 640, 1280, 1280), (128, 256, 512, 512))


def sd1(widths: Widths = SMALL) -> Shapes:
    """Of a checkpoint of Stable Diffusion 1."""
    ways = ("CrossAttn", "CrossAttn", "CrossAttn", "")
    with torch.device("meta"):
        unet = _unet(ways, widths, cross_attention_dim=widths.text)
        text = CLIPTextModel(_text(widths.text, 12, widths))
    return {
        **_named(unet, ldm.unet, "model.diffusion_model."),
        **_vae(widths),
        **_named(text, clip.transformers, "cond_stage_model.transformer."),
    }


def sdxl(widths: Widths = SMALL) -> Shapes:
    """Of a checkpoint of Stable Diffusion XL."""
    with torch.device("meta"):
        unet = _unet(
            ("", "CrossAttn", "CrossAttn"),
            widths,
            cross_attention_dim=widths.text + widths.large_text,
            use_linear_projection=True,
            transformer_layers_per_block=(1, 2, 10),
            addition_embed_type="text_time",
            addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=widths.large_text + 6 * 256,
        )
        small = CLIPTextModel(_text(widths.text, 12, widths))
        large = CLIPTextModelWithProjection(_text(widths.large_text, 32, widths))
    return {
        **_named(unet, ldm.unet, "model.diffusion_model."),
        **_vae(widths),
        **_named(small, clip.transformers, "conditioner.embedders.0.transformer."),
        **_named(large, clip.open_clip, "conditioner.embedders.1.model."),
    }


def _unet(ways: tuple[str, ...], widths: Widths, **more: Any) -> nn.Module:
    return UNet2DConditionModel(
        block_out_channels=widths.unet[: len(ways)],
        down_block_types=tuple(f"{way}DownBlock2D" for way in ways),
        up_block_types=tuple(f"{way}UpBlock2D" for way in reversed(ways)),
        layers_per_block=2,
        **more,
    )


def _vae(widths: Widths) -> Shapes:
    with torch.device("meta"):
        network = AutoencoderKL(
            latent_channels=4,
            block_out_channels=widths.vae,
            layers_per_block=2,
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
        )
    return _named(network, ldm.vae, "first_stage_model.")


def _text(width: int, layers: int, widths: Widths) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=widths.tokens,
        hidden_size=width,
        intermediate_size=width if widths is SMALL else 4 * width,
        projection_dim=width,
        num_hidden_layers=layers,
        num_attention_heads=width // 64,
        bos_token_id=widths.tokens - 2,
        eos_token_id=widths.tokens - 1,
    )


def _named(network: Any, layout: Layout, prefix: str) -> Shapes:
    given = network.config
    config: Mapping[str, Any] = dict(given.to_dict() if hasattr(given, "to_dict") else given)
    tensors = give((layout(name, config), tensor) for name, tensor in network.state_dict().items())
    return {prefix + name: tuple(tensor.shape) for name, tensor in tensors.items()}
