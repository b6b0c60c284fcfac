"""The naming of Lumina 2's own program, which keeps query, key and value in one tensor."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from webui.engine.layouts.base import Source

_ENDS = {
    "x_embedder": "x_embedder",
    "time_caption_embed.timestep_embedder.linear_1": "t_embedder.mlp.0",
    "time_caption_embed.timestep_embedder.linear_2": "t_embedder.mlp.2",
    "time_caption_embed.caption_embedder.0": "cap_embedder.0",
    "time_caption_embed.caption_embedder.1": "cap_embedder.1",
    "norm_out.linear_1": "final_layer.adaLN_modulation.1",
    "norm_out.linear_2": "final_layer.linear",
}
_BLOCK = re.compile(r"((?:layers|noise_refiner|context_refiner)\.\d+)\.(.+)\.(weight|bias)")
_INSIDE = {
    "attn.to_out.0": "attention.out",
    "attn.norm_q": "attention.q_norm",
    "attn.norm_k": "attention.k_norm",
    "feed_forward.linear_1": "feed_forward.w1",
    "feed_forward.linear_2": "feed_forward.w2",
    "feed_forward.linear_3": "feed_forward.w3",
    "norm1.linear": "adaLN_modulation.1",
    "norm1.norm": "attention_norm1",
    # Blocks that no time modulates have the norm alone.
    "norm1": "attention_norm1",
    "norm2": "attention_norm2",
    "ffn_norm1": "ffn_norm1",
    "ffn_norm2": "ffn_norm2",
}


def transformer(name: str, config: Mapping[str, Any]) -> Source:
    """Where a parameter of `Lumina2Transformer2DModel` lies; several queries share a key and a value."""
    found = _BLOCK.fullmatch(name)
    if found is None:
        stem, _, kind = name.rpartition(".")
        return Source(f"{_ENDS[stem]}.{kind}")
    block, inside, kind = found.groups()
    queries, keys = config["num_attention_heads"], config["num_kv_heads"]
    heads = queries + 2 * keys
    fused = {
        "attn.to_q": (0, queries, heads),
        "attn.to_k": (queries, queries + keys, heads),
        "attn.to_v": (queries + keys, heads, heads),
    }
    if inside in fused:
        return Source(f"{block}.attention.qkv.{kind}", chunk=fused[inside])
    return Source(f"{block}.{_INSIDE[inside]}.{kind}")
