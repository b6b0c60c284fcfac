"""Recognise CLIP's text encoders: OpenAI's and OpenCLIP's, each in the naming of its own program or transformers'."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webui.engine.checkpoints.architectures.base import Form, Names

_HEAD_WIDTH = 64
"""All of CLIP's text encoders have heads of this width."""

LARGE_LAYERS = 12
"""CLIP-L has so many layers; OpenCLIP's H has 24 and bigG 32. Nothing else in a file tells them apart for sure."""


def recognise(names: Names, config: Mapping[str, Any] | None = None) -> Form | None:
    """The text encoder whose tensors these are."""
    found = _transformers(names) or _open_clip(names)
    if found is None or config is None:
        return found
    given = config["text_config"] if isinstance(config.get("text_config"), Mapping) else config
    return Form(found.layout, given, {**found.facts, "open_clip": given.get("hidden_act", "quick_gelu") == "gelu"})


def _transformers(names: Names) -> Form | None:
    inside = "text_model." if names.has("text_model.embeddings.") else ""
    layers = names.count(f"{inside}encoder.layers.{{}}.")
    tokens = names.shape(f"{inside}embeddings.token_embedding.weight")
    positions = names.shape(f"{inside}embeddings.position_embedding.weight")
    middle = names.shape(f"{inside}encoder.layers.0.mlp.fc1.weight")
    if tokens is None or positions is None or middle is None:
        return None
    projection = names.shape("text_projection.weight")
    layout = "transformers" if inside else "transformers_bare"
    # OpenAI's own model was trained with a quicker form of the same curve.
    return _form(layout, tokens, positions[0], layers, middle[0], projection, open_clip=layers > LARGE_LAYERS)


def _open_clip(names: Names) -> Form | None:
    layers = names.count("transformer.resblocks.{}.")
    tokens, positions = names.shape("token_embedding.weight"), names.shape("positional_embedding")
    middle = names.shape("transformer.resblocks.0.mlp.c_fc.weight")
    if tokens is None or positions is None or middle is None:
        return None
    projection = names.shape("text_projection")
    return _form("open_clip", tokens, positions[0], layers, middle[0], projection, open_clip=True)


def _form(
    layout: str,
    tokens: tuple[int, ...],
    positions: int,
    layers: int,
    middle: int,
    projection: tuple[int, ...] | None,
    *,
    open_clip: bool,
) -> Form:
    width = tokens[1]
    config = {
        "vocab_size": tokens[0],
        "hidden_size": width,
        "intermediate_size": middle,
        "num_hidden_layers": layers,
        "num_attention_heads": max(1, width // _HEAD_WIDTH),
        "max_position_embeddings": positions,
        "projection_dim": projection[0] if projection else width,
        "hidden_act": "gelu" if open_clip else "quick_gelu",
        "bos_token_id": tokens[0] - 2,
        "eos_token_id": tokens[0] - 1,
    }
    facts = {"width": width, "layers": layers, "projection": projection is not None, "open_clip": open_clip}
    return Form(layout, config, facts)
