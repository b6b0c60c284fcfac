"""Recognise the transformers of Flux.1, in the naming of their own program or diffusers'."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webui.engine.checkpoints.architectures.base import Form, Names, Places, recognise_by

_HEAD_WIDTH = 128
"""All of these have heads of this width, whose thirds for place are fixed by it."""

STREAMS = {
    "original": {
        "image": "img_in.weight",
        "context": "txt_in.weight",
        "double": "double_blocks.{}.",
        "single": "single_blocks.{}.",
        "norm": "double_blocks.0.img_attn.norm.query_norm.scale",
        "last": "final_layer.linear.weight",
    },
    "diffusers": {
        "image": "x_embedder.weight",
        "context": "context_embedder.weight",
        "double": "transformer_blocks.{}.",
        "single": "single_transformer_blocks.{}.",
        "norm": "transformer_blocks.0.attn.norm_q.weight",
        "last": "proj_out.weight",
    },
}
"""What Flux.1, Flux.2 and Chroma have in common: blocks for picture and text apart, then blocks for both together."""

_NAMES = {
    "original": {
        **STREAMS["original"],
        "pooled": "vector_in.in_layer.weight",
        "time": "time_in.in_layer.weight",
        "guidance": "guidance_in.in_layer.weight",
        "modulation": "double_blocks.0.img_mod.lin.weight",
    },
    "diffusers": {
        **STREAMS["diffusers"],
        "pooled": "time_text_embed.text_embedder.linear_1.weight",
        "time": "time_text_embed.timestep_embedder.linear_1.weight",
        "guidance": "time_text_embed.guidance_embedder.linear_1.weight",
        "modulation": "transformer_blocks.0.norm1.linear.weight",
    },
}


def recognise(names: Names, config: Mapping[str, Any] | None = None) -> Form | None:
    """The transformer whose tensors these are; Flux.2, Chroma and others of the kind lack one of the parts."""
    return recognise_by(_NAMES, _config, _facts, names, config)


def _facts(config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "in_channels": config["in_channels"],
        "context_width": config["joint_attention_dim"],
        "pooled_width": config["pooled_projection_dim"],
        "guidance": bool(config["guidance_embeds"]),
    }


def _config(names: Names, places: Places) -> dict[str, Any] | None:
    """The network's form by diffusers' names; None for something else."""
    read, pooled = streams(names, places), names.shape(places["pooled"])
    if read is None or pooled is None or places["time"] not in names or places["modulation"] not in names:
        return None
    return {**read, "pooled_projection_dim": pooled[1], "guidance_embeds": places["guidance"] in names}


def streams(names: Names, places: Places) -> dict[str, Any] | None:
    """The sizes that `STREAMS` tells of a transformer, by diffusers' names; None for something else."""
    image, context, last = (names.shape(places[name]) for name in ("image", "context", "last"))
    doubles, singles = names.count(places["double"]), names.count(places["single"])
    if image is None or context is None or last is None or not doubles or not singles:
        return None
    if names.shape(places["norm"]) != (_HEAD_WIDTH,):
        return None
    return {
        "in_channels": image[1],
        "out_channels": last[0],
        "num_layers": doubles,
        "num_single_layers": singles,
        "attention_head_dim": _HEAD_WIDTH,
        "num_attention_heads": image[0] // _HEAD_WIDTH,
        "joint_attention_dim": context[1],
    }
