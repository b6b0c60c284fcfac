"""Recognise Qwen-Image's autoencoder, which is Wan 2.1's in form, in Wan's naming or diffusers'."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webui.engine.checkpoints.architectures.base import Form, Names

_CHANNELS = 16
"""The latents' spread is not in the file; it is known of the models of so many channels."""

_NAMES = {
    "original": {
        "first": "encoder.conv1.weight",
        "latents": "decoder.conv1.weight",
        "last": "decoder.head.2.weight",
        "norm": "decoder.middle.0.residual.0.gamma",
        "down": "encoder.downsamples.{}.",
        "up": "decoder.upsamples.{}.",
    },
    "diffusers": {
        "first": "encoder.conv_in.weight",
        "latents": "decoder.conv_in.weight",
        "last": "decoder.conv_out.weight",
        "norm": "decoder.mid_block.resnets.0.norm1.gamma",
        "down": "encoder.down_blocks.{}.",
        "up": "decoder.up_blocks.{}.",
    },
}
_DOWN = 11
_UP = {"original": 15, "diffusers": 4}
"""How many blocks there are on the ways down and up: of four levels, two residual blocks in each on the way down."""


def recognise(names: Names, config: Mapping[str, Any] | None = None) -> Form | None:
    """The autoencoder whose tensors these are; later ones of Wan have other blocks."""
    for layout in ("diffusers",) if config is not None else _NAMES:
        places = _NAMES[layout]
        first, latents, last = (names.shape(places[name]) for name in ("first", "latents", "last"))
        if first is None or latents is None or last is None or len(first) != 5 or places["norm"] not in names:
            continue
        if names.count(places["down"]) != _DOWN or names.count(places["up"]) != _UP[layout] or latents[1] != _CHANNELS:
            continue
        read = {"base_dim": first[0], "z_dim": latents[1], "input_channels": first[1]}
        facts = {"latent_channels": latents[1], "in_channels": first[1]}
        return Form(layout, read if config is None else config, facts)
    return None
