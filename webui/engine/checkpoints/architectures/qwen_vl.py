"""Recognise the language model inside Qwen2.5-VL, in transformers' namings or that of llama.cpp's GGUF files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webui.engine.checkpoints.architectures.base import Form, Names, Places, recognise_by
from webui.engine.checkpoints.architectures.language_models import facts, namings, sizes

_HEAD_WIDTH = 128
_ROPE_THETA = 1_000_000.0
_SECTIONS = (16, 24, 24)
_MOST_PLACES = 128000
"""These are of all published sizes, and no tensor tells them."""

_NAMES = namings("transformers", "with_eyes", "transformers_bare", "llama_cpp")


def recognise(names: Names, config: Mapping[str, Any] | None = None) -> Form | None:
    """The language model whose tensors these are; Qwen2.5's own are of the same form and encode texts alike."""
    return recognise_by(_NAMES, _config, facts, names, config)


def _config(names: Names, places: Places) -> dict[str, Any] | None:
    """The network's form by transformers' names; None for something else."""
    read = sizes(names, places, _HEAD_WIDTH)
    # Qwen3 has norms of queries in place of their bias.
    if read is None or places["bias"] not in names or places["norm"] in names:
        return None
    return {
        **read,
        "max_position_embeddings": _MOST_PLACES,
        "rope_parameters": {"rope_type": "default", "rope_theta": _ROPE_THETA, "mrope_section": list(_SECTIONS)},
        "rms_norm_eps": 1e-6,
    }
