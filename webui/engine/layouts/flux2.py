"""The naming of Black Forest Labs' own program for Flux.2, in which its single files are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from webui.engine.layouts.base import Source

_ENDS = {
    "x_embedder": "img_in",
    "context_embedder": "txt_in",
    "time_guidance_embed.timestep_embedder.linear_1": "time_in.in_layer",
    "time_guidance_embed.timestep_embedder.linear_2": "time_in.out_layer",
    "time_guidance_embed.guidance_embedder.linear_1": "guidance_in.in_layer",
    "time_guidance_embed.guidance_embedder.linear_2": "guidance_in.out_layer",
    "double_stream_modulation_img.linear": "double_stream_modulation_img.lin",
    "double_stream_modulation_txt.linear": "double_stream_modulation_txt.lin",
    "single_stream_modulation.linear": "single_stream_modulation.lin",
    "proj_out": "final_layer.linear",
}
_BLOCK = re.compile(r"(single_)?transformer_blocks\.(\d+)\.(.+)\.weight")
_DOUBLE = {
    "attn.to_out.0": "img_attn.proj.weight",
    "attn.to_add_out": "txt_attn.proj.weight",
    "attn.norm_q": "img_attn.norm.query_norm.scale",
    "attn.norm_k": "img_attn.norm.key_norm.scale",
    "attn.norm_added_q": "txt_attn.norm.query_norm.scale",
    "attn.norm_added_k": "txt_attn.norm.key_norm.scale",
    "ff.linear_in": "img_mlp.0.weight",
    "ff.linear_out": "img_mlp.2.weight",
    "ff_context.linear_in": "txt_mlp.0.weight",
    "ff_context.linear_out": "txt_mlp.2.weight",
}
_SINGLE = {
    "attn.to_qkv_mlp_proj": "linear1.weight",
    "attn.to_out": "linear2.weight",
    "attn.norm_q": "norm.query_norm.scale",
    "attn.norm_k": "norm.key_norm.scale",
}
_FUSED = {
    **{f"attn.to_{letter}": ("img_attn.qkv.weight", place) for place, letter in enumerate("qkv")},
    **{f"attn.add_{letter}_proj": ("txt_attn.qkv.weight", place) for place, letter in enumerate("qkv")},
}


def transformer(name: str, config: Mapping[str, Any]) -> Source:
    """Where a parameter of `Flux2Transformer2DModel` lies.

    What the last norm is scaled and shifted by is there shift first and in diffusers scale first.
    """
    found = _BLOCK.fullmatch(name)
    if found is None:
        if name.startswith("norm_out.linear."):
            return Source(name.replace("norm_out.linear", "final_layer.adaLN_modulation.1"), swapped=True)
        stem, _, kind = name.rpartition(".")
        return Source(f"{_ENDS[stem]}.{kind}")
    single, number, inside = found.groups()
    if single:
        return Source(f"single_blocks.{number}.{_SINGLE[inside]}")
    if inside in _FUSED:
        into, place = _FUSED[inside]
        return Source(f"double_blocks.{number}.{into}", chunk=(place, place + 1, 3))
    return Source(f"double_blocks.{number}.{_DOUBLE[inside]}")
