"""The naming of CompVis' latent diffusion program, in which SD1, SD2 and SDXL files have their UNet and autoencoder."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from webui.engine.layouts.base import Source

_UNET_ENDS = {
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "mid_block.attentions.0": "middle_block.1",
    "mid_block.resnets.0": "middle_block.0",
    "mid_block.resnets.1": "middle_block.2",
}
_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_OLD_ATTENTION = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
_VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}

_BLOCK = re.compile(r"(down|up)_blocks\.(\d+)\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.(.+)")
_VAE_BLOCK = re.compile(r"(encoder|decoder)\.(?:down|up)_blocks\.(\d+)\.(resnets|downsamplers|upsamplers)\.(\d+)\.(.+)")
_VAE_MIDDLE = re.compile(r"(encoder|decoder)\.mid_block\.(resnets|attentions)\.(\d+)\.(.+)")


def unet(name: str, config: Mapping[str, Any]) -> Source:
    """Where a parameter of `UNet2DConditionModel` lies."""
    found = _BLOCK.fullmatch(name)
    if found is None:
        for ours, theirs in _UNET_ENDS.items():
            if name.startswith(f"{ours}."):
                rest = name[len(ours) + 1 :]
                return Source(f"{theirs}.{_inside(rest, _RESNET) if '.resnets.' in ours else rest}")
        return Source(name)
    way, level, kind, place, rest = found[1], int(found[2]), found[3], int(found[4]), found[5]
    layers = int(config["layers_per_block"])
    if way == "down":
        number = 1 + level * (layers + 1) + (layers if kind == "downsamplers" else place)
        block = f"input_blocks.{number}"
    else:
        number = level * (layers + 1) + (layers if kind == "upsamplers" else place)
        block = f"output_blocks.{number}"
    if kind == "resnets":
        return Source(f"{block}.0.{_inside(rest, _RESNET)}")
    if kind == "attentions":
        return Source(f"{block}.1.{rest}")
    if kind == "downsamplers":
        return Source(f"{block}.0.op.{rest.removeprefix('conv.')}")
    attends = str(config["up_block_types"][level]).startswith("CrossAttn")
    return Source(f"{block}.{2 if attends else 1}.{rest}")


def vae(name: str, config: Mapping[str, Any]) -> Source:
    """Where a parameter of `AutoencoderKL` lies."""
    middle = _VAE_MIDDLE.fullmatch(name)
    if middle:
        half, kind, place, rest = middle[1], middle[2], int(middle[3]), middle[4]
        if kind == "resnets":
            return Source(f"{half}.mid.block_{place + 1}.{_shortcut(rest)}")
        inside = _inside(rest, _VAE_ATTENTION)
        return Source(f"{half}.mid.attn_1.{inside}", pointwise=inside.endswith("weight") and "norm" not in inside)
    block = _VAE_BLOCK.fullmatch(name)
    if block:
        half, level, kind, place, rest = block[1], int(block[2]), block[3], int(block[4]), block[5]
        if half == "decoder":
            level = len(config["block_out_channels"]) - 1 - level
        path = f"{half}.{'down' if half == 'encoder' else 'up'}.{level}"
        if kind == "resnets":
            return Source(f"{path}.block.{place}.{_shortcut(rest)}")
        return Source(f"{path}.{kind.removesuffix('rs')}.{rest}")
    return Source(name.replace(".conv_norm_out.", ".norm_out."))


def old_vae(name: str, config: Mapping[str, Any]) -> Source:
    """Where it lies in diffusers' own naming before version 0.18."""
    middle = _VAE_MIDDLE.fullmatch(name)
    if middle is None or middle[2] != "attentions":
        return Source(name)
    return Source(f"{middle[1]}.mid_block.attentions.{middle[3]}.{_inside(middle[4], _OLD_ATTENTION)}")


def _inside(rest: str, table: Mapping[str, str]) -> str:
    for ours, theirs in table.items():
        if rest.startswith(f"{ours}."):
            return theirs + rest[len(ours) :]
    return rest


def _shortcut(rest: str) -> str:
    return rest.replace("conv_shortcut.", "nin_shortcut.")
