"""The naming of Stability's own program for Stable Diffusion 3 and 3.5, in which their single files are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from webui.engine.layouts.base import Source

_ENDS = {
    "pos_embed.pos_embed": "pos_embed",
    "pos_embed.proj": "x_embedder.proj",
    "time_text_embed.timestep_embedder.linear_1": "t_embedder.mlp.0",
    "time_text_embed.timestep_embedder.linear_2": "t_embedder.mlp.2",
    "time_text_embed.text_embedder.linear_1": "y_embedder.mlp.0",
    "time_text_embed.text_embedder.linear_2": "y_embedder.mlp.2",
    "proj_out": "final_layer.linear",
}
_BLOCK = re.compile(r"transformer_blocks\.(\d+)\.(.+?)(\.weight|\.bias)")
_INSIDE = {
    "norm1.linear": "x_block.adaLN_modulation.1",
    "norm1_context.linear": "context_block.adaLN_modulation.1",
    "ff.net.0.proj": "x_block.mlp.fc1",
    "ff.net.2": "x_block.mlp.fc2",
    "ff_context.net.0.proj": "context_block.mlp.fc1",
    "ff_context.net.2": "context_block.mlp.fc2",
    "attn.to_out.0": "x_block.attn.proj",
    "attn.to_add_out": "context_block.attn.proj",
    "attn.norm_q": "x_block.attn.ln_q",
    "attn.norm_k": "x_block.attn.ln_k",
    "attn.norm_added_q": "context_block.attn.ln_q",
    "attn.norm_added_k": "context_block.attn.ln_k",
    "attn2.to_out.0": "x_block.attn2.proj",
    "attn2.norm_q": "x_block.attn2.ln_q",
    "attn2.norm_k": "x_block.attn2.ln_k",
}
_FUSED = {
    **{f"attn.to_{letter}": ("x_block.attn.qkv", place) for place, letter in enumerate("qkv")},
    **{f"attn.add_{letter}_proj": ("context_block.attn.qkv", place) for place, letter in enumerate("qkv")},
    **{f"attn2.to_{letter}": ("x_block.attn2.qkv", place) for place, letter in enumerate("qkv")},
}


def transformer(name: str, config: Mapping[str, Any]) -> Source:
    """Where a parameter of `SD3Transformer2DModel` lies.

    What norms are scaled and shifted by at the end of a stream is there shift first and in diffusers scale first.
    """
    found = _BLOCK.fullmatch(name)
    if found is None:
        if name.startswith("norm_out.linear."):
            return Source(name.replace("norm_out.linear", "final_layer.adaLN_modulation.1"), swapped=True)
        stem, _, kind = name.rpartition(".")
        return Source(_ENDS[name] if name in _ENDS else f"{_ENDS.get(stem, stem)}.{kind}")
    number, inside, kind = int(found[1]), found[2], found[3]
    block = f"joint_blocks.{number}"
    if inside in _FUSED:
        fused, place = _FUSED[inside]
        return Source(f"{block}.{fused}{kind}", chunk=(place, place + 1, 3))
    # The last block ends the text's stream.
    ends = inside == "norm1_context.linear" and number == int(config["num_layers"]) - 1
    return Source(f"{block}.{_INSIDE[inside]}{kind}", swapped=ends)
