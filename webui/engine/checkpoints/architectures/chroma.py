"""Recognise Chroma's transformers, in the naming of their own program, which is Flux.1's, or diffusers'."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webui.engine.checkpoints.architectures.base import Form, Names, Places, recognise_by

_HEAD_WIDTH = 128
"""Heads are as in Flux.1."""

_COMMON = {
    "into": "distilled_guidance_layer.in_proj.weight",
    "layer": "distilled_guidance_layer.layers.{}.",
}
_NAMES = {
    "original": {
        **_COMMON,
        "image": "img_in.weight",
        "context": "txt_in.weight",
        "double": "double_blocks.{}.",
        "single": "single_blocks.{}.",
        "norm": "double_blocks.0.img_attn.norm.query_norm.scale",
        "middle": "distilled_guidance_layer.layers.0.in_layer.weight",
        "last": "final_layer.linear.weight",
    },
    "diffusers": {
        **_COMMON,
        "image": "x_embedder.weight",
        "context": "context_embedder.weight",
        "double": "transformer_blocks.{}.",
        "single": "single_transformer_blocks.{}.",
        "norm": "transformer_blocks.0.attn.norm_q.weight",
        "middle": "distilled_guidance_layer.layers.0.linear_1.weight",
        "last": "proj_out.weight",
    },
}


def recognise(names: Names, config: Mapping[str, Any] | None = None) -> Form | None:
    """The transformer whose tensors these are: a small network makes all modulations, which Flux.1 has in its blocks.

    Chroma Radiance, which makes pixels in place of latents, has another way in.
    """
    return recognise_by(_NAMES, _config, _facts, names, config)


def _facts(config: Mapping[str, Any]) -> dict[str, Any]:
    return {"in_channels": config["in_channels"], "context_width": config["joint_attention_dim"]}


def _config(names: Names, places: Places) -> dict[str, Any] | None:
    """The network's form by diffusers' names; None for something else."""
    image, context, last, into = (names.shape(places[name]) for name in ("image", "context", "last", "into"))
    doubles, singles, layers = (names.count(places[name]) for name in ("double", "single", "layer"))
    if image is None or context is None or last is None or into is None or len(into) != 2:
        return None
    if not doubles or not singles or not layers or places["middle"] not in names:
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
        "approximator_num_channels": into[1],
        "approximator_hidden_dim": into[0],
        "approximator_layers": layers,
    }
