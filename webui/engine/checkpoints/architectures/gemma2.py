"""Recognise Gemma 2's language models, in transformers' naming or in that of llama.cpp's GGUF files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webui.engine.checkpoints.architectures.base import Form, Names, Places, recognise_by
from webui.engine.checkpoints.architectures.language_models import facts, namings, sizes

_VOCABULARY = 256000
_HEAD_WIDTH = 256
_ROPE_THETA = 10000.0
"""These two are of the sizes with 2 and 9 billion weights, and no tensor tells them; the largest has narrower heads."""

_NAMES = namings("transformers", "transformers_bare", "llama_cpp")


def recognise(names: Names, config: Mapping[str, Any] | None = None) -> Form | None:
    """The language model whose tensors these are; Gemma 3 has norms of queries, the first Gemma none behind a layer."""
    return recognise_by(_NAMES, _config, facts, names, config)


def _config(names: Names, places: Places) -> dict[str, Any] | None:
    """The network's form by transformers' names; None for something else."""
    read = sizes(names, places, _HEAD_WIDTH)
    if read is None or read["vocab_size"] != _VOCABULARY:
        return None
    if places["between_norms"] not in names or places["norm"] in names:
        return None
    return {
        **read,
        "head_dim": _HEAD_WIDTH,
        "query_pre_attn_scalar": _HEAD_WIDTH,
        "rope_parameters": {"rope_type": "default", "rope_theta": _ROPE_THETA},
        "rms_norm_eps": 1e-6,
    }
