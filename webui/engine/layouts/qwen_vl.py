"""The naming of Qwen2.5-VL's language model in llama.cpp's GGUF files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webui.engine.layouts.base import Source
from webui.engine.layouts.qwen3 import llama_cpp as qwen3

_BIAS = ".bias"


def llama_cpp(name: str, config: Mapping[str, Any]) -> Source:
    """Where it lies: as in Qwen3's, with the biases beside the weights."""
    if not name.endswith(_BIAS):
        return qwen3(name, config)
    weight = qwen3(name.removesuffix(_BIAS) + ".weight", config).name
    return Source(weight.removesuffix(".weight") + _BIAS)
