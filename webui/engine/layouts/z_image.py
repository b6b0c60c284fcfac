"""The naming of Z-Image's single files, which keep query, key and value in one tensor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webui.engine.layouts.base import Source

_STARTS = {"all_x_embedder.2-1.": "x_embedder.", "all_final_layer.2-1.": "final_layer."}
_ATTENTION = {"to_out.0.": "out.", "norm_q.": "q_norm.", "norm_k.": "k_norm."}
_FUSED = ("to_q.", "to_k.", "to_v.")
_INSIDE = ".attention."


def transformer(name: str, config: Mapping[str, Any]) -> Source:
    """Where a parameter of `ZImageTransformer2DModel` lies."""
    for ours, theirs in _STARTS.items():
        if name.startswith(ours):
            return Source(theirs + name[len(ours) :])
    block, found, inside = name.partition(_INSIDE)
    if not found:
        return Source(name)
    for place, ours in enumerate(_FUSED):
        if inside.startswith(ours):
            return Source(f"{block}{_INSIDE}qkv.{inside[len(ours) :]}", chunk=(place, place + 1, len(_FUSED)))
    ours = next(start for start in _ATTENTION if inside.startswith(start))
    return Source(f"{block}{_INSIDE}{_ATTENTION[ours]}{inside[len(ours) :]}")
