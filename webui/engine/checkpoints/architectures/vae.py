"""Recognise the autoencoders of Stable Diffusion, SDXL, SD3 and Flux.1 in their original naming."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webui.engine.checkpoints.architectures.base import Form, Names


def recognise(names: Names, config: Mapping[str, Any] | None = None) -> Form | None:
    """The autoencoder whose tensors these are; one of them may lack its encoder, not its decoder."""
    start, end = names.shape("decoder.conv_in.weight"), names.shape("decoder.conv_out.weight")
    if start is None or end is None or len(start) != 4:
        return None
    facts = {"latent_channels": start[1], "encoder": "encoder.conv_in.weight" in names}
    if config is not None:
        # Folders from before diffusers 0.18 call the middle's attention by other names.
        old = "decoder.mid_block.attentions.0.query.weight" in names
        return Form("diffusers_old" if old else "diffusers", config, facts)
    levels = names.count("decoder.up.{}.")
    widths = [names.shape(f"decoder.up.{level}.block.0.conv1.weight") for level in range(levels)]
    blocks = names.count("decoder.up.0.block.{}.")
    if not levels or blocks < 2 or None in widths or not names.has("decoder.mid.attn_1."):
        return None
    read = {
        "in_channels": end[0],
        "out_channels": end[0],
        "latent_channels": start[1],
        "block_out_channels": [shape[0] for shape in widths if shape],
        # The way up has one block more at each resolution than the way down.
        "layers_per_block": blocks - 1,
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
        "use_quant_conv": "quant_conv.weight" in names,
        "use_post_quant_conv": "post_quant_conv.weight" in names,
    }
    return Form("original", read, facts)
