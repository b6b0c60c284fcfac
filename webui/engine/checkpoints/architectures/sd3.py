"""Recognise the transformers of Stable Diffusion 3 and 3.5, in the naming of their own program or diffusers'."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from webui.engine.checkpoints.architectures.base import Form, Names, Places, recognise_by

_HEAD_WIDTH = 64
"""All of these have heads of this width."""

_SAMPLE_SIZE = 128
"""Side in latent cells that the positions are counted from; the file holds them finished."""

_NAMES = {
    "original": {
        "patch": "x_embedder.proj.weight",
        "positions": "pos_embed",
        "pooled": "y_embedder.mlp.0.weight",
        "context": "context_embedder.weight",
        "last": "final_layer.linear.weight",
        "block": "joint_blocks.{}.",
        "own": "joint_blocks.{}.x_block.attn.proj.weight",
        "norm": "joint_blocks.0.x_block.attn.ln_q.weight",
        "second": "joint_blocks.{}.x_block.attn2.",
    },
    "diffusers": {
        "patch": "pos_embed.proj.weight",
        "positions": "pos_embed.pos_embed",
        "pooled": "time_text_embed.text_embedder.linear_1.weight",
        "context": "context_embedder.weight",
        "last": "proj_out.weight",
        "block": "transformer_blocks.{}.",
        "own": "transformer_blocks.{}.attn.to_out.0.weight",
        "norm": "transformer_blocks.0.attn.norm_q.weight",
        "second": "transformer_blocks.{}.attn2.",
    },
}


def recognise(names: Names, config: Mapping[str, Any] | None = None) -> Form | None:
    """The transformer whose tensors these are."""
    return recognise_by(_NAMES, _config, _facts, names, config)


def _facts(config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "in_channels": config["in_channels"],
        "context_width": config["joint_attention_dim"],
        "pooled_width": config["pooled_projection_dim"],
        "blocks": config["num_layers"],
        "norms": config["qk_norm"] is not None,
    }


def _config(names: Names, places: Places) -> dict[str, Any] | None:
    """The network's form by diffusers' names; None for something else."""
    blocks = names.count(places["block"])
    patch, positions = names.shape(places["patch"]), names.shape(places["positions"])
    pooled, context = names.shape(places["pooled"]), names.shape(places["context"])
    last = names.shape(places["last"])
    if not blocks or patch is None or positions is None or pooled is None or context is None or last is None:
        return None
    if len(patch) != 4 or len(positions) != 3 or names.shape(places["own"].format(0)) is None:
        return None
    width, side = patch[0], patch[3]
    return {
        "sample_size": _SAMPLE_SIZE,
        "patch_size": side,
        "in_channels": patch[1],
        "out_channels": last[0] // side**2,
        "num_layers": blocks,
        "attention_head_dim": _HEAD_WIDTH,
        "num_attention_heads": width // _HEAD_WIDTH,
        "joint_attention_dim": context[1],
        "caption_projection_dim": context[0],
        "pooled_projection_dim": pooled[1],
        "pos_embed_max_size": math.isqrt(positions[1]),
        "dual_attention_layers": [block for block in range(blocks) if names.has(places["second"].format(block))],
        "qk_norm": "rms_norm" if places["norm"] in names else None,
    }
