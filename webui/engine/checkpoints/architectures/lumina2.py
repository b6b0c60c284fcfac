"""Recognise Lumina 2's transformers, in the naming of their own program or diffusers'."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webui.engine.checkpoints.architectures.base import Form, Names, Places, recognise_by

_AXES = (32, 32, 32)
"""How a head's width is divided among caption, rows and columns; it and the two below are of all published models."""
_MOST_PLACES = (300, 512, 512)
_MULTIPLE_OF = 256
_HEAD_WIDTH = sum(_AXES)
_PATCH = 2

_COMMON = {
    "patch": "x_embedder.weight",
    "block": "layers.{}.",
    "refiner": "noise_refiner.{}.",
    "text_refiner": "context_refiner.{}.",
}
_NAMES = {
    "original": {
        **_COMMON,
        "last": "final_layer.linear.weight",
        "context": "cap_embedder.1.weight",
        "time": "t_embedder.mlp.0.weight",
        "modulation": "layers.0.adaLN_modulation.1.weight",
        "norm": "layers.0.attention.q_norm.weight",
        "out": "layers.0.attention.out.weight",
        "fused": "layers.0.attention.qkv.weight",
        "middle": "layers.0.feed_forward.w1.weight",
    },
    "diffusers": {
        **_COMMON,
        "last": "norm_out.linear_2.weight",
        "context": "time_caption_embed.caption_embedder.1.weight",
        "time": "time_caption_embed.timestep_embedder.linear_1.weight",
        "modulation": "layers.0.norm1.linear.weight",
        "norm": "layers.0.attn.norm_q.weight",
        "out": "layers.0.attn.to_out.0.weight",
        "key": "layers.0.attn.to_k.weight",
        "middle": "layers.0.feed_forward.linear_1.weight",
    },
}
# Others of its kin: tokens for padding (Z-Image), a second text encoder (NewBie), pictures to be changed (OmniGen 2).
_OTHERS = ("x_pad_token", "clip_text_pooled_proj.", "time_text_embed.", "ref_image_patch_embedder.")


def recognise(names: Names, config: Mapping[str, Any] | None = None) -> Form | None:
    """The transformer whose tensors these are; Z-Image and others of its kin have something more."""
    if any(names.has(start) for start in _OTHERS):
        return None
    return recognise_by(_NAMES, _config, _facts, names, config)


def _facts(config: Mapping[str, Any]) -> dict[str, Any]:
    return {"in_channels": config["in_channels"], "context_width": config["cap_feat_dim"]}


def _config(names: Names, places: Places) -> dict[str, Any] | None:
    """The network's form by diffusers' names; None for something else."""
    patch, last, context, out, middle = (
        names.shape(places[name]) for name in ("patch", "last", "context", "out", "middle")
    )
    blocks, refiners, keys = names.count(places["block"]), names.count(places["refiner"]), _key_width(names, places)
    if patch is None or last is None or context is None or out is None or middle is None:
        return None
    if not blocks or not refiners or not keys or names.count(places["text_refiner"]) != refiners:
        return None
    if names.shape(places["norm"]) != (_HEAD_WIDTH,) or keys % _HEAD_WIDTH:
        return None
    if places["time"] not in names or places["modulation"] not in names:
        return None
    width = patch[0]
    # Four times as wide and rounded up; diffusers' class has no other way to say it.
    if middle[0] != -(-4 * width // _MULTIPLE_OF) * _MULTIPLE_OF or context[0] != width:
        return None
    return {
        "patch_size": _PATCH,
        "in_channels": patch[1] // _PATCH**2,
        "out_channels": last[0] // _PATCH**2,
        "hidden_size": width,
        "num_layers": blocks,
        "num_refiner_layers": refiners,
        "num_attention_heads": width // _HEAD_WIDTH,
        "num_kv_heads": keys // _HEAD_WIDTH,
        "multiple_of": _MULTIPLE_OF,
        "axes_dim_rope": list(_AXES),
        "axes_lens": list(_MOST_PLACES),
        "cap_feat_dim": context[1],
    }


def _key_width(names: Names, places: Places) -> int:
    """How wide all keys are together; 0 where there are none."""
    if "key" in places:
        return (names.shape(places["key"]) or (0,))[0]
    fused, out = names.shape(places["fused"]), names.shape(places["out"])
    # Queries are as wide as what attention gives; keys and values share the rest.
    return (fused[0] - out[1]) // 2 if fused and out and len(out) == 2 else 0
