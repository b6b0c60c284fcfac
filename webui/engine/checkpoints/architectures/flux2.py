"""Recognise the transformers of Flux.2, dev and klein, in the naming of their own program or diffusers'."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webui.engine.checkpoints.architectures.base import Form, Names, Places, recognise_by
from webui.engine.checkpoints.architectures.flux import STREAMS, streams

_AXES = (32, 32, 32, 32)
"""How a head's width is divided among picture, row, column and word, of all published models."""
_STATES = 3
"""A text is the states after so many of its encoder's layers, side by side."""

_NAMES = {
    "original": {
        **STREAMS["original"],
        "time": "time_in.in_layer.weight",
        "guidance": "guidance_in.in_layer.weight",
        "modulation": "double_stream_modulation_img.lin.weight",
        "middle": "double_blocks.0.img_mlp.2.weight",
    },
    "diffusers": {
        **STREAMS["diffusers"],
        "time": "time_guidance_embed.timestep_embedder.linear_1.weight",
        "guidance": "time_guidance_embed.guidance_embedder.linear_1.weight",
        "modulation": "double_stream_modulation_img.linear.weight",
        "middle": "transformer_blocks.0.ff.linear_out.weight",
    },
}


def recognise(names: Names, config: Mapping[str, Any] | None = None) -> Form | None:
    """The transformer whose tensors these are; Flux.1's blocks have modulations of their own instead of shared ones."""
    return recognise_by(_NAMES, _config, _facts, names, config)


def _facts(config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "in_channels": config["in_channels"],
        "encoder_width": config["joint_attention_dim"] // _STATES,
        "guidance": bool(config["guidance_embeds"]),
    }


def _config(names: Names, places: Places) -> dict[str, Any] | None:
    """The network's form by diffusers' names; None for something else."""
    read, time, middle = streams(names, places), names.shape(places["time"]), names.shape(places["middle"])
    if read is None or time is None or middle is None or len(middle) != 2 or places["modulation"] not in names:
        return None
    return {
        **read,
        "timestep_guidance_channels": time[1],
        "mlp_ratio": middle[1] / middle[0],
        "axes_dims_rope": list(_AXES),
        "guidance_embeds": places["guidance"] in names,
    }
