"""The naming of Black Forest Labs' own program for Flux.2: Flux.1's, with modulations that blocks share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from webui.engine.layouts import flux
from webui.engine.layouts.base import Source

_BLOCK = re.compile(r"(single_)?transformer_blocks\.(\d+)\.(.+)\.weight")
_INSIDE = {
    "ff.linear_in": "img_mlp.0",
    "ff.linear_out": "img_mlp.2",
    "ff_context.linear_in": "txt_mlp.0",
    "ff_context.linear_out": "txt_mlp.2",
    "attn.to_qkv_mlp_proj": "linear1",
    "attn.to_out": "linear2",
}
_MODULATION = "_stream_modulation"
# What diffusers calls the network for time and guidance here, and in Flux.1.
_TIME, _FLUX1_TIME = "time_guidance_embed.", "time_text_embed."


def transformer(name: str, config: Mapping[str, Any]) -> Source:
    """Where a parameter of `Flux2Transformer2DModel` lies."""
    if _MODULATION in name:
        return Source(name.replace(".linear.", ".lin."))
    found = _BLOCK.fullmatch(name)
    if found and found[3] in _INSIDE:
        return Source(f"{'single' if found[1] else 'double'}_blocks.{found[2]}.{_INSIDE[found[3]]}.weight")
    return flux.transformer(name.replace(_TIME, _FLUX1_TIME), config)
