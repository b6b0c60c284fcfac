"""The naming of Gemma 2 in llama.cpp's GGUF files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from webui.engine.layouts.base import Source

_BLOCK = re.compile(r"layers\.(\d+)\.(.+)\.weight")
_ENDS = {"embed_tokens.weight": "token_embd.weight", "norm.weight": "output_norm.weight"}
_INSIDE = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "post_attention_norm",
    "pre_feedforward_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "post_feedforward_layernorm": "post_ffw_norm",
}


def llama_cpp(name: str, config: Mapping[str, Any]) -> Source:
    """Where a parameter of `Gemma2Model` lies; Gemma's norms multiply by 1 more than their weight."""
    found = _BLOCK.fullmatch(name)
    place = f"blk.{found[1]}.{_INSIDE[found[2]]}.weight" if found else _ENDS[name]
    return Source(place, more=1.0 if name.endswith("norm.weight") else 0.0)
