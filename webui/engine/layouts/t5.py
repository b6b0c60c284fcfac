"""The namings of T5's text encoders: transformers' own, and that of the GGUF files which llama.cpp's tools write."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from webui.engine.layouts.base import Source

_BLOCK = re.compile(r"block\.(\d+)\.layer\.[01]\.(.+)\.weight")
_INSIDE = {
    "SelfAttention.q": "attn_q",
    "SelfAttention.k": "attn_k",
    "SelfAttention.v": "attn_v",
    "SelfAttention.o": "attn_o",
    "SelfAttention.relative_attention_bias": "attn_rel_b",
    "DenseReluDense.wi": "ffn_up",
    "DenseReluDense.wi_0": "ffn_gate",
    "DenseReluDense.wi_1": "ffn_up",
    "DenseReluDense.wo": "ffn_down",
}
_NORMS = {"0": "attn_norm", "1": "ffn_norm"}


def transformers(name: str, config: Mapping[str, Any]) -> Source:
    """Where a parameter of T5's encoder lies in a `T5EncoderModel`, which shares its table of tokens."""
    return Source("shared.weight" if name == "embed_tokens.weight" else f"encoder.{name}")


def llama_cpp(name: str, config: Mapping[str, Any]) -> Source:
    """Where it lies in llama.cpp's naming."""
    found = _BLOCK.fullmatch(name)
    if found is None:
        return Source({"embed_tokens.weight": "token_embd.weight"}.get(name, "enc.output_norm.weight"))
    if found[2] == "layer_norm":
        return Source(f"enc.blk.{found[1]}.{_NORMS[name.split('.')[3]]}.weight")
    return Source(f"enc.blk.{found[1]}.{_INSIDE[found[2]]}.weight")
