"""Recognise Gemma 2's language models, in transformers' naming or in that of llama.cpp's GGUF files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webui.engine.checkpoints.architectures.base import Form, Names

_VOCABULARY = 256000
_HEAD_WIDTH = 256
_ROPE_THETA = 10000.0
"""These two are of the sizes with 2 and 9 billion weights, and no tensor tells them; the largest has narrower heads."""

_INSIDE = {
    "tokens": "embed_tokens.weight",
    "block": "layers.{}.",
    "query": "layers.0.self_attn.q_proj.weight",
    "key": "layers.0.self_attn.k_proj.weight",
    "gate": "layers.0.mlp.gate_proj.weight",
    "behind": "layers.0.post_feedforward_layernorm.weight",
    "normed": "layers.0.self_attn.q_norm.weight",
}
_NAMES = {
    "transformers": {name: f"model.{place}" for name, place in _INSIDE.items()},
    "transformers_bare": _INSIDE,
    "llama_cpp": {
        "tokens": "token_embd.weight",
        "block": "blk.{}.",
        "query": "blk.0.attn_q.weight",
        "key": "blk.0.attn_k.weight",
        "gate": "blk.0.ffn_gate.weight",
        "behind": "blk.0.post_ffw_norm.weight",
        "normed": "blk.0.attn_q_norm.weight",
    },
}


def recognise(names: Names, config: Mapping[str, Any] | None = None) -> Form | None:
    """The language model whose tensors these are; Gemma 3 has norms of queries, the first Gemma none behind a layer."""
    for layout, places in _NAMES.items():
        read = _config(names, places)
        if read is not None:
            settings = read if config is None else config
            return Form(layout, settings, {"width": read["hidden_size"], "layers": read["num_hidden_layers"]})
    return None


def _config(names: Names, places: Mapping[str, str]) -> dict[str, Any] | None:
    """The network's form by transformers' names; None for something else."""
    tokens, query, key, gate = (names.shape(places[name]) for name in ("tokens", "query", "key", "gate"))
    if tokens is None or query is None or key is None or gate is None or tokens[0] != _VOCABULARY:
        return None
    if places["behind"] not in names or places["normed"] in names or query[1] != tokens[1]:
        return None
    if query[0] % _HEAD_WIDTH or key[0] % _HEAD_WIDTH:
        return None
    return {
        "vocab_size": tokens[0],
        "hidden_size": tokens[1],
        "intermediate_size": gate[0],
        "num_hidden_layers": names.count(places["block"]),
        "num_attention_heads": query[0] // _HEAD_WIDTH,
        "num_key_value_heads": key[0] // _HEAD_WIDTH,
        "head_dim": _HEAD_WIDTH,
        "query_pre_attn_scalar": _HEAD_WIDTH,
        "rope_parameters": {"rope_type": "default", "rope_theta": _ROPE_THETA},
        "rms_norm_eps": 1e-6,
    }
