"""Recognise T5's text encoders, in transformers' naming or that of the GGUF files which llama.cpp's tools write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webui.engine.checkpoints.architectures.base import Form, Names, Places, recognise_by

_NAMES = {
    "transformers": {
        "tokens": "shared.weight",
        "block": "encoder.block.{}.",
        "query": "encoder.block.0.layer.0.SelfAttention.q.weight",
        "distances": "encoder.block.{}.layer.0.SelfAttention.relative_attention_bias.weight",
        "gated": "encoder.block.0.layer.1.DenseReluDense.wi_0.weight",
        "plain": "encoder.block.0.layer.1.DenseReluDense.wi.weight",
    },
    "llama_cpp": {
        "tokens": "token_embd.weight",
        "block": "enc.blk.{}.",
        "query": "enc.blk.0.attn_q.weight",
        "distances": "enc.blk.{}.attn_rel_b.weight",
        "gated": "enc.blk.0.ffn_gate.weight",
        "plain": "enc.blk.0.ffn_up.weight",
    },
}


def recognise(names: Names, config: Mapping[str, Any] | None = None) -> Form | None:
    """The text encoder whose tensors these are; a whole T5's decoder is passed over."""
    return recognise_by(_NAMES, _config, _facts, names, config)


def _facts(config: Mapping[str, Any]) -> dict[str, Any]:
    return {"width": config["d_model"]}


def _config(names: Names, places: Places) -> dict[str, Any] | None:
    """The network's form by transformers' names; None for something else."""
    tokens, query = names.shape(places["tokens"]), names.shape(places["query"])
    distances = names.shape(places["distances"].format(0))
    gated = names.shape(places["gated"])
    middle = gated or names.shape(places["plain"])
    if tokens is None or query is None or distances is None or middle is None:
        return None
    # UMT5 has distances of its own in each block.
    if places["distances"].format(1) in names:
        return None
    return {
        "vocab_size": tokens[0],
        "d_model": tokens[1],
        "d_kv": query[0] // distances[1],
        "d_ff": middle[0],
        "num_layers": names.count(places["block"]),
        "num_heads": distances[1],
        "relative_attention_num_buckets": distances[0],
        "feed_forward_proj": "gated-gelu" if gated else "relu",
    }
