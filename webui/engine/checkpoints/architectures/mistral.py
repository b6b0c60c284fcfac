"""Recognise Mistral's language models with the vocabulary Tekken, as Flux.2 dev has one, in transformers' namings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webui.engine.checkpoints.architectures.base import Form, Names, Places, recognise_by
from webui.engine.checkpoints.architectures.language_models import facts, namings, sizes

_VOCABULARY = 131072
_HEAD_WIDTH = 128
_ROPE_THETA = 1_000_000_000.0
_MOST_PLACES = 131072
"""These three are of Mistral Small 3.1 and 3.2, and no tensor tells them."""

_NAMES = namings("transformers", "with_eyes", "with_eyes_old", "transformers_bare")


def recognise(names: Names, config: Mapping[str, Any] | None = None) -> Form | None:
    """The language model whose tensors these are, without its eyes and the head that chooses words."""
    return recognise_by(_NAMES, _config, facts, names, config)


def _config(names: Names, places: Places) -> dict[str, Any] | None:
    """The network's form by transformers' names; None for something else."""
    read = sizes(names, places, _HEAD_WIDTH)
    # Others of this vocabulary have norms of queries or biases.
    if read is None or read["vocab_size"] != _VOCABULARY or places["norm"] in names or places["bias"] in names:
        return None
    return {
        **read,
        "head_dim": _HEAD_WIDTH,
        "max_position_embeddings": _MOST_PLACES,
        "rope_parameters": {"rope_type": "default", "rope_theta": _ROPE_THETA},
        "rms_norm_eps": 1e-5,
        "sliding_window": None,
    }
