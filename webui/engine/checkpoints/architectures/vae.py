"""Recognise the autoencoders of Stable Diffusion, SDXL, SD3, Flux.1 and Flux.2 in their original naming."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from webui.engine.checkpoints.architectures.base import Form, Names

_SPREAD = "bn.running_var"
"""Flux.2's autoencoder keeps the spread of its latents, as a norm of them."""


def recognise(names: Names, config: Mapping[str, Any] | None = None) -> Form | None:
    """The autoencoder whose tensors these are; one of them may lack its encoder, not its decoder."""
    return None if _SPREAD in names else _form(names, config)


def recognise_flux2(names: Names, config: Mapping[str, Any] | None = None) -> Form | None:
    """The same for Flux.2's, whose decoder may be narrower than its encoder."""
    form = _form(names, config) if _SPREAD in names else None
    if form is None or config is not None:
        return form
    widths = _widths(names, "encoder.down.{}.", len(form.config["block_out_channels"]))
    if widths is None:
        return None
    return replace(
        form,
        config={
            **form.config,
            "block_out_channels": widths,
            "decoder_block_out_channels": form.config["block_out_channels"],
        },
    )


def _form(names: Names, config: Mapping[str, Any] | None) -> Form | None:
    start, end = names.shape("decoder.conv_in.weight"), names.shape("decoder.conv_out.weight")
    if start is None or end is None or len(start) != 4:
        return None
    facts = {"latent_channels": start[1], "encoder": "encoder.conv_in.weight" in names}
    if config is not None:
        # Folders from before diffusers 0.18 call the middle's attention by other names.
        old = "decoder.mid_block.attentions.0.query.weight" in names
        return Form("diffusers_old" if old else "diffusers", config, facts)
    levels = names.count("decoder.up.{}.")
    widths = _widths(names, "decoder.up.{}.", levels)
    blocks = names.count("decoder.up.0.block.{}.")
    if not levels or blocks < 2 or widths is None or not names.has("decoder.mid.attn_1."):
        return None
    read = {
        "in_channels": end[0],
        "out_channels": end[0],
        "latent_channels": start[1],
        "block_out_channels": widths,
        # The way up has one block more at each resolution than the way down.
        "layers_per_block": blocks - 1,
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
        "use_quant_conv": "quant_conv.weight" in names,
        "use_post_quant_conv": "post_quant_conv.weight" in names,
    }
    return Form("original", read, facts)


def _widths(names: Names, level: str, levels: int) -> list[int] | None:
    shapes = [names.shape(f"{level.format(place)}block.0.conv1.weight") for place in range(levels)]
    return None if None in shapes else [shape[0] for shape in shapes if shape]
