"""The naming of Black Forest Labs' own program for Flux.1, in which its single files are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from webui.engine.layouts.base import Source

_ENDS = {
    "x_embedder": "img_in",
    "context_embedder": "txt_in",
    "time_text_embed.timestep_embedder.linear_1": "time_in.in_layer",
    "time_text_embed.timestep_embedder.linear_2": "time_in.out_layer",
    "time_text_embed.text_embedder.linear_1": "vector_in.in_layer",
    "time_text_embed.text_embedder.linear_2": "vector_in.out_layer",
    "time_text_embed.guidance_embedder.linear_1": "guidance_in.in_layer",
    "time_text_embed.guidance_embedder.linear_2": "guidance_in.out_layer",
    "proj_out": "final_layer.linear",
}
_BLOCK = re.compile(r"(single_)?transformer_blocks\.(\d+)\.(.+?)(\.weight|\.bias)")
_DOUBLE = {
    "norm1.linear": "img_mod.lin",
    "norm1_context.linear": "txt_mod.lin",
    "ff.net.0.proj": "img_mlp.0",
    "ff.net.2": "img_mlp.2",
    "ff_context.net.0.proj": "txt_mlp.0",
    "ff_context.net.2": "txt_mlp.2",
    "attn.to_out.0": "img_attn.proj",
    "attn.to_add_out": "txt_attn.proj",
    "attn.norm_q": "img_attn.norm.query_norm",
    "attn.norm_k": "img_attn.norm.key_norm",
    "attn.norm_added_q": "txt_attn.norm.query_norm",
    "attn.norm_added_k": "txt_attn.norm.key_norm",
}
_SINGLE = {
    "norm.linear": "modulation.lin",
    "proj_out": "linear2",
    "attn.norm_q": "norm.query_norm",
    "attn.norm_k": "norm.key_norm",
}
_DOUBLE_FUSED = {
    **{f"attn.to_{letter}": ("img_attn.qkv", (place, place + 1, 3)) for place, letter in enumerate("qkv")},
    **{f"attn.add_{letter}_proj": ("txt_attn.qkv", (place, place + 1, 3)) for place, letter in enumerate("qkv")},
}
# Query, key and value, and then the feed-forward's way in, which is four times as wide.
_SINGLE_FUSED = {
    **{f"attn.to_{letter}": ("linear1", (place, place + 1, 7)) for place, letter in enumerate("qkv")},
    "proj_mlp": ("linear1", (3, 7, 7)),
}


def transformer(name: str, config: Mapping[str, Any]) -> Source:
    """Where a parameter of `FluxTransformer2DModel` lies.

    What the last norm is scaled and shifted by is there shift first and in diffusers scale first.
    """
    found = _BLOCK.fullmatch(name)
    if found is None:
        if name.startswith("norm_out.linear."):
            return Source(name.replace("norm_out.linear", "final_layer.adaLN_modulation.1"), swapped=True)
        stem, _, kind = name.rpartition(".")
        return Source(f"{_ENDS.get(stem, stem)}.{kind}")
    single, inside, kind = bool(found[1]), found[3], found[4]
    block = f"{'single' if single else 'double'}_blocks.{found[2]}"
    stems, fused = (_SINGLE, _SINGLE_FUSED) if single else (_DOUBLE, _DOUBLE_FUSED)
    if inside in fused:
        into, chunk = fused[inside]
        return Source(f"{block}.{into}{kind}", chunk=chunk)
    stem = stems[inside]
    return Source(f"{block}.{stem}{'.scale' if stem.endswith('_norm') else kind}")
