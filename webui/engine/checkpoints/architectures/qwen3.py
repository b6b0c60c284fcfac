"""Recognise Qwen3's language models of all sizes, in transformers' naming or in that of llama.cpp's GGUF files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webui.engine.checkpoints.architectures.base import Form, Names

_ROPE_THETA = 1_000_000.0
_MOST_PLACES = 40960
"""Both are of all published sizes."""

_INSIDE = {
    "tokens": "embed_tokens.weight",
    "block": "layers.{}.",
    "query": "layers.0.self_attn.q_proj.weight",
    "key": "layers.0.self_attn.k_proj.weight",
    "norm": "layers.0.self_attn.q_norm.weight",
    "gate": "layers.0.mlp.gate_proj.weight",
    "other": "layers.0.pre_feedforward_layernorm.weight",
}
_NAMES = {
    "transformers": {name: f"model.{place}" for name, place in _INSIDE.items()},
    "transformers_bare": _INSIDE,
    "llama_cpp": {
        "tokens": "token_embd.weight",
        "block": "blk.{}.",
        "query": "blk.0.attn_q.weight",
        "key": "blk.0.attn_k.weight",
        "norm": "blk.0.attn_q_norm.weight",
        "gate": "blk.0.ffn_gate.weight",
        "other": "blk.0.post_ffw_norm.weight",
    },
}
# Where models that see have their eyes.
_SEES = ("visual.", "model.visual.", "v.blk.")


def recognise(names: Names, config: Mapping[str, Any] | None = None) -> Form | None:
    """The language model whose tensors these are, without the head that chooses words."""
    if any(names.has(start) for start in _SEES):
        return None
    for layout, places in _NAMES.items():
        read = _config(names, places)
        if read is not None:
            settings = read if config is None else config
            return Form(layout, settings, {"width": read["hidden_size"], "layers": read["num_hidden_layers"]})
    return None


def _config(names: Names, places: Mapping[str, str]) -> dict[str, Any] | None:
    """The network's form by transformers' names; None for something else."""
    tokens, query, key = (names.shape(places[name]) for name in ("tokens", "query", "key"))
    norm, gate = names.shape(places["norm"]), names.shape(places["gate"])
    if tokens is None or query is None or key is None or norm is None or gate is None:
        return None
    # Gemma 3 has norms behind its attention too; OLMo's norms are as wide as all heads together; packed weights of
    # less than 8 bits are of another shape than what they stand for.
    if places["other"] in names or norm == query[:1] or query[1] != tokens[1]:
        return None
    return {
        "vocab_size": tokens[0],
        "hidden_size": tokens[1],
        "intermediate_size": gate[0],
        "num_hidden_layers": names.count(places["block"]),
        "num_attention_heads": query[0] // norm[0],
        "num_key_value_heads": key[0] // norm[0],
        "head_dim": norm[0],
        "max_position_embeddings": _MOST_PLACES,
        "rope_parameters": {"rope_type": "default", "rope_theta": _ROPE_THETA},
        "rms_norm_eps": 1e-6,
    }
