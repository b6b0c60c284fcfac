"""The namings of Qwen3 besides its own: transformers' with the outer name, and that of llama.cpp's GGUF files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from webui.engine.layouts.base import Source

_BLOCK = re.compile(r"layers\.(\d+)\.(.+)\.weight")
_ENDS = {"embed_tokens.weight": "token_embd.weight", "norm.weight": "output_norm.weight"}
_INSIDE = {
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def transformers(name: str, config: Mapping[str, Any]) -> Source:
    """Where it lies in the naming of `Qwen3ForCausalLM`."""
    return Source(f"model.{name}")


def llama_cpp(name: str, config: Mapping[str, Any]) -> Source:
    """Where it lies in llama.cpp's naming, which leaves Qwen's queries and keys in their order."""
    found = _BLOCK.fullmatch(name)
    return Source(f"blk.{found[1]}.{_INSIDE[found[2]]}.weight" if found else _ENDS[name])
