"""What recognisers of language models share: the names that tell their form, and what shapes tell of each of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webui.engine.checkpoints.architectures.base import Names, Places

_OWN = {
    "tokens": "embed_tokens.weight",
    "block": "layers.{}.",
    "query": "layers.0.self_attn.q_proj.weight",
    "bias": "layers.0.self_attn.q_proj.bias",
    "norm": "layers.0.self_attn.q_norm.weight",
    "key": "layers.0.self_attn.k_proj.weight",
    "gate": "layers.0.mlp.gate_proj.weight",
    # Gemma's feed-forward has a norm before it and one behind.
    "between_norms": "layers.0.pre_feedforward_layernorm.weight",
}
_NAMES: Mapping[str, Places] = {
    "transformers": {name: f"model.{place}" for name, place in _OWN.items()},
    # In files of a model that sees, the language model is one of two, and was called otherwise in older ones.
    "with_eyes": {name: f"model.language_model.{place}" for name, place in _OWN.items()},
    "with_eyes_old": {name: f"language_model.model.{place}" for name, place in _OWN.items()},
    "transformers_bare": _OWN,
    "llama_cpp": {
        "tokens": "token_embd.weight",
        "block": "blk.{}.",
        "query": "blk.0.attn_q.weight",
        "bias": "blk.0.attn_q.bias",
        "norm": "blk.0.attn_q_norm.weight",
        "key": "blk.0.attn_k.weight",
        "gate": "blk.0.ffn_gate.weight",
        "between_norms": "blk.0.post_ffw_norm.weight",
    },
}


def namings(*layouts: str) -> dict[str, Places]:
    """The names in these of the layouts: `tokens`, `block`, `query` and so on."""
    return {layout: _NAMES[layout] for layout in layouts}


def sizes(names: Names, places: Places, head_width: int) -> dict[str, Any] | None:
    """The sizes of a language model with heads of this width, by transformers' names; None for something else."""
    tokens, query, key, gate = (names.shape(places[name]) for name in ("tokens", "query", "key", "gate"))
    if tokens is None or query is None or key is None or gate is None or len(tokens) != 2 or len(query) != 2:
        return None
    # Packed weights of less than 8 bits are of another shape than what they stand for.
    if query[1] != tokens[1] or query[0] % head_width or key[0] % head_width:
        return None
    return {
        "vocab_size": tokens[0],
        "hidden_size": tokens[1],
        "intermediate_size": gate[0],
        "num_hidden_layers": names.count(places["block"]),
        "num_attention_heads": query[0] // head_width,
        "num_key_value_heads": key[0] // head_width,
    }


def facts(config: Mapping[str, Any]) -> dict[str, Any]:
    """What families need to know of a language model's configuration."""
    return {"width": config["hidden_size"], "layers": config["num_hidden_layers"]}
