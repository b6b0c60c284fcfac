"""Recognise the transformers of Flux.2, dev and klein, in the naming of their own program or diffusers'."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webui.engine.checkpoints.architectures.base import Form, Names, Places, recognise_by

_HEAD_WIDTH = 128
_AXES = (32, 32, 32, 32)
"""How a head's width is divided among picture, row, column and word, of all published models."""
_STATES = 3
"""A text is the states after so many of its encoder's layers, side by side."""

_NAMES = {
    "original": {
        "image": "img_in.weight",
        "context": "txt_in.weight",
        "time": "time_in.in_layer.weight",
        "guidance": "guidance_in.in_layer.weight",
        "double": "double_blocks.{}.",
        "single": "single_blocks.{}.",
        "norm": "double_blocks.0.img_attn.norm.query_norm.scale",
        "modulation": "double_stream_modulation_img.lin.weight",
        "middle": "double_blocks.0.img_mlp.2.weight",
        "last": "final_layer.linear.weight",
    },
    "diffusers": {
        "image": "x_embedder.weight",
        "context": "context_embedder.weight",
        "time": "time_guidance_embed.timestep_embedder.linear_1.weight",
        "guidance": "time_guidance_embed.guidance_embedder.linear_1.weight",
        "double": "transformer_blocks.{}.",
        "single": "single_transformer_blocks.{}.",
        "norm": "transformer_blocks.0.attn.norm_q.weight",
        "modulation": "double_stream_modulation_img.linear.weight",
        "middle": "transformer_blocks.0.ff.linear_out.weight",
        "last": "proj_out.weight",
    },
}


def recognise(names: Names, config: Mapping[str, Any] | None = None) -> Form | None:
    """The transformer whose tensors these are; Flux.1's blocks have modulations of their own instead of shared ones."""
    return recognise_by(_NAMES, _config, _facts, names, config)


def _facts(config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "in_channels": config["in_channels"],
        "encoder_width": config["joint_attention_dim"] // _STATES,
        "guidance": bool(config["guidance_embeds"]),
    }


def _config(names: Names, places: Places) -> dict[str, Any] | None:
    """The network's form by diffusers' names; None for something else."""
    image, context, time = (names.shape(places[name]) for name in ("image", "context", "time"))
    middle, last = names.shape(places["middle"]), names.shape(places["last"])
    doubles, singles = names.count(places["double"]), names.count(places["single"])
    if image is None or context is None or time is None or middle is None or last is None:
        return None
    if not doubles or not singles or names.shape(places["norm"]) != (_HEAD_WIDTH,) or len(middle) != 2:
        return None
    if places["modulation"] not in names:
        return None
    return {
        "in_channels": image[1],
        "out_channels": last[0],
        "num_layers": doubles,
        "num_single_layers": singles,
        "attention_head_dim": _HEAD_WIDTH,
        "num_attention_heads": image[0] // _HEAD_WIDTH,
        "joint_attention_dim": context[1],
        "timestep_guidance_channels": time[1],
        "mlp_ratio": middle[1] / image[0],
        "axes_dims_rope": list(_AXES),
        "guidance_embeds": places["guidance"] in names,
    }
