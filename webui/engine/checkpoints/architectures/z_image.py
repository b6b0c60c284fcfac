"""Recognise Z-Image's transformers, in the naming of single files or in diffusers', which is their program's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webui.engine.checkpoints.architectures.base import Form, Names, Places, recognise_by

_HEAD_WIDTH = 128
_AXES = (32, 48, 48)
"""How a head's width is divided among caption, rows and columns; it and the two below are of all published models."""
_MOST_PLACES = (1536, 512, 512)
_ROPE_THETA = 256.0

_COMMON = {
    "block": "layers.{}.",
    "refiner": "noise_refiner.{}.",
    "text_refiner": "context_refiner.{}.",
    "context": "cap_embedder.1.weight",
    "time": "t_embedder.mlp.0.weight",
    "modulation": "layers.0.adaLN_modulation.0.weight",
    "siglip": "siglip_embedder.1.weight",
}
_NAMES = {
    "original": {
        **_COMMON,
        "patch": "x_embedder.weight",
        "last": "final_layer.linear.weight",
        "attention": "layers.0.attention.qkv.weight",
        "norm": "layers.0.attention.q_norm.weight",
    },
    "diffusers": {
        **_COMMON,
        "patch": "all_x_embedder.2-1.weight",
        "last": "all_final_layer.2-1.linear.weight",
        "attention": "layers.0.attention.to_q.weight",
        "norm": "layers.0.attention.norm_q.weight",
    },
}


def recognise(names: Names, config: Mapping[str, Any] | None = None) -> Form | None:
    """The transformer whose tensors these are; Lumina 2, of the same kin, has other norms and no tokens for padding."""
    return recognise_by(_NAMES, _config, _facts, names, config)


def _facts(config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "in_channels": config["in_channels"],
        "context_width": config["cap_feat_dim"],
        # Models for editing see pictures through SigLIP.
        "siglip": config["siglip_feat_dim"] is not None,
    }


def _config(names: Names, places: Places) -> dict[str, Any] | None:
    """The network's form by diffusers' names; None for something else."""
    patch, last, context = (names.shape(places[name]) for name in ("patch", "last", "context"))
    blocks, refiners = names.count(places["block"]), names.count(places["refiner"])
    if patch is None or last is None or context is None or not blocks or not refiners:
        return None
    if names.count(places["text_refiner"]) != refiners or names.shape(places["norm"]) != (_HEAD_WIDTH,):
        return None
    needed = (places["time"], places["modulation"], places["attention"], "x_pad_token", "cap_pad_token")
    if any(name not in names for name in needed):
        return None
    siglip = names.shape(places["siglip"])
    return {
        "all_patch_size": [2],
        "all_f_patch_size": [1],
        "in_channels": patch[1] // 4,
        "dim": patch[0],
        "n_layers": blocks,
        "n_refiner_layers": refiners,
        "n_heads": patch[0] // _HEAD_WIDTH,
        "n_kv_heads": patch[0] // _HEAD_WIDTH,
        "cap_feat_dim": context[1],
        "siglip_feat_dim": siglip[1] if siglip else None,
        "rope_theta": _ROPE_THETA,
        "axes_dims": list(_AXES),
        "axes_lens": list(_MOST_PLACES),
    }
