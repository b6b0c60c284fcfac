"""What a weight file says it holds, whatever its format: names, types, shapes and places of tensors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from webui.core.errors import ModelProblem


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """One tensor: its type by safetensors' name ("F16") or GGUF's ("Q4_K"), its shape, and where its bytes lie.

    start: place in the file of the first byte. stride: elements between neighbours along each axis; empty means
    row after row without gaps.
    """

    dtype: str
    shape: tuple[int, ...]
    start: int = 0
    stride: tuple[int, ...] = ()

    @property
    def size_bytes(self) -> int:
        """What it takes in the file, about: blocks of quantised weights have a little beside their numbers."""
        return -(-math.prod(self.shape) * (BITS.get(self.dtype) or _quantised_bits(self.dtype)) // 8)


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says it holds; `format` is "safetensors", "pickle" or "gguf"."""

    tensors: Mapping[str, TensorInfo]
    metadata: Mapping[str, str] = field(default_factory=dict)
    format: str = "safetensors"


BITS = {
    **{"F64": 64, "I64": 64, "U64": 64, "F32": 32, "I32": 32, "U32": 32, "F16": 16, "BF16": 16, "I16": 16, "U16": 16},
    **{"F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "I8": 8, "U8": 8, "BOOL": 8, "C64": 64},
}
"""Bits of one number, by safetensors' names of types."""

AGAIN = ("Copy or download the file again",)


def _quantised_bits(dtype: str) -> int:
    """Bits of one number in a type of GGUF's, whose names tell them ("Q4_K", "IQ3_XXS")."""
    digits = "".join(filter(str.isdigit, dtype.partition("_")[0]))
    return int(digits) if digits else 8


def cut_off(path: Path, how: str) -> ModelProblem:
    """What to raise for a file that ends too early."""
    return ModelProblem(f"{path.name} is cut off: {how}.", field="checkpoint", remedies=AGAIN)


def damaged(path: Path, how: str) -> ModelProblem:
    """What to raise for a file that contradicts itself."""
    return ModelProblem(f"{path.name} is damaged: {how}.", field="checkpoint", remedies=AGAIN)


def unreadable(path: Path, error: OSError) -> ModelProblem:
    """What to raise when the system refuses to read the file."""
    return ModelProblem(f"{path.name} cannot be read: {error.strerror or error}.", field="checkpoint")
