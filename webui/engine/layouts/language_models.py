"""The namings of language models: as parts of larger ones, below a head that chooses words, in llama.cpp's files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from webui.engine.layouts.base import Source

_BLOCK = re.compile(r"layers\.(\d+)\.(.+)\.(weight|bias)")
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
_GEMMA2_INSIDE = {
    **_INSIDE,
    "post_attention_layernorm": "post_attention_norm",
    "pre_feedforward_layernorm": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
}


def transformers(name: str, config: Mapping[str, Any]) -> Source:
    """Where it lies in the naming of a model with a head that chooses words."""
    return Source(f"model.{name}")


def with_eyes(name: str, config: Mapping[str, Any]) -> Source:
    """Where it lies in a model that sees."""
    return Source(f"model.language_model.{name}")


def with_eyes_old(name: str, config: Mapping[str, Any]) -> Source:
    """Where it lies in a model that sees, in transformers' naming before version 4.52."""
    return Source(f"language_model.model.{name}")


def llama_cpp(name: str, config: Mapping[str, Any]) -> Source:
    """Where a parameter of Qwen's lies in llama.cpp's GGUF files, which leave its queries and keys in their order."""
    return Source(_in_llama_cpp(name, _INSIDE))


def llama_cpp_gemma2(name: str, config: Mapping[str, Any]) -> Source:
    """Where a parameter of `Gemma2Model` lies there; Gemma's norms multiply by 1 more than their weight."""
    return Source(_in_llama_cpp(name, _GEMMA2_INSIDE), more=1.0 if name.endswith("norm.weight") else 0.0)


def _in_llama_cpp(name: str, inside: Mapping[str, str]) -> str:
    found = _BLOCK.fullmatch(name)
    return f"blk.{found[1]}.{inside[found[2]]}.{found[3]}" if found else _ENDS[name]
