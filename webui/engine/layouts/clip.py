"""The namings of CLIP's text encoders: transformers' own, with and without its outer name, and OpenCLIP's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from webui.engine.layouts.base import Source

_ENDS = {
    "embeddings.token_embedding.weight": "token_embedding.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "final_layer_norm.weight": "ln_final.weight",
    "final_layer_norm.bias": "ln_final.bias",
}
_LAYER = re.compile(r"encoder\.layers\.(\d+)\.(.+)\.(weight|bias)")
_INSIDE = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}
_IN = {"self_attn.q_proj": 0, "self_attn.k_proj": 1, "self_attn.v_proj": 2}


def transformers(name: str, config: Mapping[str, Any]) -> Source:
    """Where a parameter of `CLIPTextModel` or its variant with a projection lies in transformers' naming."""
    bare = name.removeprefix("text_model.")
    return Source(name if bare.startswith("text_projection") else f"text_model.{bare}")


def transformers_bare(name: str, config: Mapping[str, Any]) -> Source:
    """The same without the outer name `text_model`."""
    return Source(name.removeprefix("text_model."))


def open_clip(name: str, config: Mapping[str, Any]) -> Source:
    """Where it lies in OpenCLIP's naming, which keeps query, key and value in one tensor."""
    bare = name.removeprefix("text_model.")
    if bare == "text_projection.weight":
        return Source("text_projection", transposed=True)
    found = _LAYER.fullmatch(bare)
    if found is None:
        return Source(_ENDS.get(bare, bare))
    layer, inside, kind = f"transformer.resblocks.{found[1]}", found[2], found[3]
    if inside in _IN:
        return Source(f"{layer}.attn.in_proj_{kind}", chunk=(_IN[inside], _IN[inside] + 1, 3))
    return Source(f"{layer}.{_INSIDE[inside]}.{kind}")
