"""What a weight file says it holds, whatever its format: names, types, shapes and places of tensors."""

from __future__ import annotations

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


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says it holds; `format` is "safetensors", "pickle" or "gguf"."""

    tensors: Mapping[str, TensorInfo]
    metadata: Mapping[str, str] = field(default_factory=dict)
    format: str = "safetensors"


AGAIN = ("Copy or download the file again",)


def cut_off(path: Path, how: str) -> ModelProblem:
    """What to raise for a file that ends too early."""
    return ModelProblem(f"{path.name} is cut off: {how}.", field="checkpoint", remedies=AGAIN)


def damaged(path: Path, how: str) -> ModelProblem:
    """What to raise for a file that contradicts itself."""
    return ModelProblem(f"{path.name} is damaged: {how}.", field="checkpoint", remedies=AGAIN)


def unreadable(path: Path, error: OSError) -> ModelProblem:
    """What to raise when the system refuses to read the file."""
    return ModelProblem(f"{path.name} cannot be read: {error.strerror or error}.", field="checkpoint")
