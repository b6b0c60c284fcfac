"""Recognise Chroma's transformers, in the naming of their own program, which is Flux.1's, or diffusers'."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webui.engine.checkpoints.architectures.base import Form, Names, Places, recognise_by
from webui.engine.checkpoints.architectures.flux import STREAMS, streams

_COMMON = {
    "into": "distilled_guidance_layer.in_proj.weight",
    "layer": "distilled_guidance_layer.layers.{}.",
}
_NAMES = {
    "original": {
        **_COMMON,
        **STREAMS["original"],
        "middle": "distilled_guidance_layer.layers.0.in_layer.weight",
    },
    "diffusers": {
        **_COMMON,
        **STREAMS["diffusers"],
        "middle": "distilled_guidance_layer.layers.0.linear_1.weight",
    },
}


def recognise(names: Names, config: Mapping[str, Any] | None = None) -> Form | None:
    """The transformer whose tensors these are: a small network makes all modulations, which Flux.1 has in its blocks.

    Chroma Radiance, which makes pixels in place of latents, has another way in.
    """
    return recognise_by(_NAMES, _config, _facts, names, config)


def _facts(config: Mapping[str, Any]) -> dict[str, Any]:
    return {"in_channels": config["in_channels"], "context_width": config["joint_attention_dim"]}


def _config(names: Names, places: Places) -> dict[str, Any] | None:
    """The network's form by diffusers' names; None for something else."""
    read, into, layers = streams(names, places), names.shape(places["into"]), names.count(places["layer"])
    if read is None or into is None or len(into) != 2 or not layers or places["middle"] not in names:
        return None
    return {
        **read,
        "approximator_num_channels": into[1],
        "approximator_hidden_dim": into[0],
        "approximator_layers": layers,
    }
