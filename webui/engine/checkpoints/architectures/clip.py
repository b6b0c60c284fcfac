"""Recognise CLIP's text encoders: OpenAI's and OpenCLIP's, each in the naming of its own program or transformers'."""

from __future__ import annotations

from webui.engine.checkpoints.architectures.base import Form, Names

_HEAD_WIDTH = 64
"""All of CLIP's text encoders have heads of this width."""

LARGE_LAYERS = 12
"""CLIP-L has so many layers; OpenCLIP's H has 24 and bigG 32. Nothing else in a file tells them apart for sure."""


def recognise(names: Names) -> Form | None:
    """The text encoder whose tensors these are."""
    return _transformers(names) or _open_clip(names)


def _transformers(names: Names) -> Form | None:
    inside = "text_model." if names.has("text_model.embeddings.") else ""
    layers = names.count(f"{inside}encoder.layers.{{}}.")
    tokens = names.shape(f"{inside}embeddings.token_embedding.weight")
    positions = names.shape(f"{inside}embeddings.position_embedding.weight")
    middle = names.shape(f"{inside}encoder.layers.0.mlp.fc1.weight")
    if tokens is None or positions is None or middle is None:
        return None
    projection = names.shape("text_projection.weight")
    return _form("transformers", tokens, positions[0], layers, middle[0], projection)


def _open_clip(names: Names) -> Form | None:
    layers = names.count("transformer.resblocks.{}.")
    tokens, positions = names.shape("token_embedding.weight"), names.shape("positional_embedding")
    middle = names.shape("transformer.resblocks.0.mlp.c_fc.weight")
    if tokens is None or positions is None or middle is None:
        return None
    projection = names.shape("text_projection")
    return _form("open_clip", tokens, positions[0], layers, middle[0], projection)


def _form(
    layout: str,
    tokens: tuple[int, ...],
    positions: int,
    layers: int,
    middle: int,
    projection: tuple[int, ...] | None,
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
        # OpenAI's own model was trained with a quicker form of the same curve.
        "hidden_act": "quick_gelu" if layout != "open_clip" and layers <= LARGE_LAYERS else "gelu",
        "bos_token_id": tokens[0] - 2,
        "eos_token_id": tokens[0] - 1,
    }
    return Form(layout, config, {"width": width, "layers": layers, "projection": projection is not None})
