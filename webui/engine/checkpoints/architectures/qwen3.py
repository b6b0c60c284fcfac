"""Recognise Qwen3's language models of all sizes, in transformers' naming or in that of llama.cpp's GGUF files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webui.engine.checkpoints.architectures.base import Form, Names, Places, recognise_by
from webui.engine.checkpoints.architectures.language_models import facts, namings, sizes

_ROPE_THETA = 1_000_000.0
_MOST_PLACES = 40960
"""Both are of all published sizes."""

_NAMES = namings("transformers", "transformers_bare", "llama_cpp")
# Where models that see have their eyes.
_SEES = ("visual.", "model.visual.", "v.blk.")


def recognise(names: Names, config: Mapping[str, Any] | None = None) -> Form | None:
    """The language model whose tensors these are, without the head that chooses words."""
    if any(names.has(start) for start in _SEES):
        return None
    return recognise_by(_NAMES, _config, facts, names, config)


def _config(names: Names, places: Places) -> dict[str, Any] | None:
    """The network's form by transformers' names; None for something else."""
    norm = names.shape(places["norm"])
    read = sizes(names, places, norm[0]) if norm else None
    # Gemma 3 has norms behind its attention too; OLMo's norms are as wide as all heads together.
    if norm is None or read is None or places["between_norms"] in names or read["num_attention_heads"] == 1:
        return None
    return {
        **read,
        "head_dim": norm[0],
        "max_position_embeddings": _MOST_PLACES,
        "rope_parameters": {"rope_type": "default", "rope_theta": _ROPE_THETA},
        "rms_norm_eps": 1e-6,
    }
