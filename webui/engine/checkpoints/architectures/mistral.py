"""Recognise Mistral's language models with the vocabulary Tekken, as Flux.2 dev has one, in transformers' namings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webui.engine.checkpoints.architectures.base import Form, Names

VOCABULARY = 131072
_HEAD_WIDTH = 128
_ROPE_THETA = 1_000_000_000.0
_MOST_PLACES = 131072
"""These three are of Mistral Small 3.1 and 3.2, and no tensor tells them."""

# In files of the model that sees, the language model is one of two, and was called otherwise in older ones.
STARTS = {
    "transformers": "model.",
    "with_eyes": "model.language_model.",
    "with_eyes_old": "language_model.model.",
    "transformers_bare": "",
}


def recognise(names: Names, config: Mapping[str, Any] | None = None) -> Form | None:
    """The language model whose tensors these are, without its eyes and the head that chooses words."""
    for layout, start in STARTS.items():
        read = _config(names, start)
        if read is not None:
            settings = read if config is None else config
            return Form(layout, settings, {"width": read["hidden_size"], "layers": read["num_hidden_layers"]})
    return None


def _config(names: Names, start: str) -> dict[str, Any] | None:
    """The network's form by transformers' names; None for something else."""
    tokens = names.shape(f"{start}embed_tokens.weight")
    query, key, gate = (
        names.shape(f"{start}layers.0.{name}_proj.weight") for name in ("self_attn.q", "self_attn.k", "mlp.gate")
    )
    if tokens is None or query is None or key is None or gate is None or tokens[0] != VOCABULARY:
        return None
    # Others of this vocabulary have norms of queries or biases; packed weights are of another shape.
    if f"{start}layers.0.self_attn.q_norm.weight" in names or f"{start}layers.0.self_attn.q_proj.bias" in names:
        return None
    if query[1] != tokens[1] or query[0] % _HEAD_WIDTH or key[0] % _HEAD_WIDTH:
        return None
    return {
        "vocab_size": tokens[0],
        "hidden_size": tokens[1],
        "intermediate_size": gate[0],
        "num_hidden_layers": names.count(start + "layers.{}."),
        "num_attention_heads": query[0] // _HEAD_WIDTH,
        "num_key_value_heads": key[0] // _HEAD_WIDTH,
        "head_dim": _HEAD_WIDTH,
        "max_position_embeddings": _MOST_PLACES,
        "rope_parameters": {"rope_type": "default", "rope_theta": _ROPE_THETA},
        "rms_norm_eps": 1e-5,
        "sliding_window": None,
    }
