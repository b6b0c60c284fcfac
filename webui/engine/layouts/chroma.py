"""The naming of Chroma's own program: Flux.1's, with a network that makes the modulations of all blocks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from webui.engine.layouts import flux
from webui.engine.layouts.base import Source

_LAYER = re.compile(r"(distilled_guidance_layer\.layers\.\d+\.)linear_([12])\.(weight|bias)")
_NORM = re.compile(r"(distilled_guidance_layer\.norms\.\d+\.)weight")
_LINEARS = {"1": "in_layer", "2": "out_layer"}


def transformer(name: str, config: Mapping[str, Any]) -> Source:
    """Where a parameter of `ChromaTransformer2DModel` lies."""
    if found := _LAYER.fullmatch(name):
        return Source(f"{found[1]}{_LINEARS[found[2]]}.{found[3]}")
    if found := _NORM.fullmatch(name):
        return Source(f"{found[1]}scale")
    return flux.transformer(name, config)
