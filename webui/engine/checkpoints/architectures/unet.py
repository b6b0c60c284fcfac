"""Recognise the UNets of Stable Diffusion 1, 2 and XL in their original naming, and read their form from the shapes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from webui.engine.checkpoints.architectures.base import Form, Names

_HEADS_SD1 = 8
_HEAD_WIDTH = 64
"""SD1 splits every width into 8 heads; SD2 and SDXL take heads of width 64. No tensor's shape shows which."""


@dataclass(frozen=True, slots=True)
class _Level:
    """One resolution on the way down: its width, residual blocks and transformer blocks in each (0: no attention)."""

    width: int
    blocks: int
    transformers: tuple[int, ...]


def recognise(names: Names, config: Mapping[str, Any] | None = None) -> Form | None:
    """The UNet whose tensors these are, in the naming of the original program or, with a config, diffusers'."""
    if config is not None:
        entry = names.shape("conv_in.weight") or ()
        known = len(entry) == 4 and entry[1] == config.get("in_channels", 4) and config.get("cross_attention_dim")
        # Latent consistency models are told their guidance in a way of their own.
        known = known and not config.get("time_cond_proj_dim")
        return Form("diffusers", config, _facts(config, names)) if known else None
    first, last = names.shape("input_blocks.0.0.weight"), names.shape("out.2.weight")
    if first is None or last is None or len(first) != 4 or not names.has("middle_block.1.transformer_blocks.0."):
        return None
    levels = _levels(names)
    proj_in = names.shape("middle_block.1.proj_in.weight")
    context = names.shape("middle_block.1.transformer_blocks.0.attn2.to_k.weight")
    if not levels or proj_in is None or context is None:
        return None
    linear = len(proj_in) == 2
    middle = names.count("middle_block.1.transformer_blocks.{}.")
    read = _config(levels, middle, in_channels=first[1], out_channels=last[0], context=context[1], linear=linear)
    labels = names.shape("label_emb.0.0.weight")
    if labels is not None:
        read |= {
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 256,
            "projection_class_embeddings_input_dim": labels[1],
        }
    return Form("original", read, _facts(read, names))


def _facts(config: Mapping[str, Any], names: Names) -> dict[str, Any]:
    return {
        "context_width": config["cross_attention_dim"],
        "in_channels": config.get("in_channels", 4),
        "linear": bool(config.get("use_linear_projection")),
        "levels": len(config["block_out_channels"]),
        "labelled": config.get("addition_embed_type") == "text_time",
        # Two marks without content that trainers of SDXL models leave for the programs that read them.
        "v_pred": "v_pred" in names or "v_pred" in names.whole,
        "ztsnr": "ztsnr" in names or "ztsnr" in names.whole,
    }


def _levels(names: Names) -> list[_Level]:
    """The way down: blocks until a downsampler are one level."""
    levels: list[_Level] = []
    width, blocks, transformers = 0, 0, list[int]()
    for number in range(1, names.count("input_blocks.{}.")):
        block = f"input_blocks.{number}"
        out = names.shape(f"{block}.0.out_layers.3.weight")
        if out is not None:
            width, blocks = out[0], blocks + 1
            transformers.append(names.count(f"{block}.1.transformer_blocks.{{}}."))
        elif f"{block}.0.op.weight" in names and blocks:
            levels.append(_Level(width, blocks, tuple(transformers)))
            blocks, transformers = 0, []
        else:
            return []
    return [*levels, _Level(width, blocks, tuple(transformers))] if blocks else []


def _config(
    levels: list[_Level], middle: int, *, in_channels: int, out_channels: int, context: int, linear: bool
) -> dict[str, Any]:
    attends = [any(level.transformers) for level in levels]
    widths = [level.width for level in levels]
    depths = [max(level.transformers) or 1 for level in levels]
    return {
        "in_channels": in_channels,
        "out_channels": out_channels,
        "block_out_channels": widths,
        "layers_per_block": levels[0].blocks,
        "down_block_types": ["CrossAttnDownBlock2D" if has else "DownBlock2D" for has in attends],
        "up_block_types": ["CrossAttnUpBlock2D" if has else "UpBlock2D" for has in reversed(attends)],
        # The last entry is the middle's too; where both attend, they are of one depth in every model there is.
        "transformer_layers_per_block": [*depths[:-1], middle],
        "attention_head_dim": [width // _HEAD_WIDTH for width in widths] if linear else _HEADS_SD1,
        "cross_attention_dim": context,
        "use_linear_projection": linear,
    }
