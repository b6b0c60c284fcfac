"""The header of a weight file, by the format that its name says. Torch-free."""

from __future__ import annotations

from pathlib import Path

from webui.core.errors import ModelProblem
from webui.engine.checkpoints.headers import gguf, pickle, safetensors
from webui.engine.checkpoints.headers.base import Header

_READERS = {
    ".safetensors": safetensors.read,
    ".sft": safetensors.read,
    ".ckpt": pickle.read,
    ".pt": pickle.read,
    ".pth": pickle.read,
    ".bin": pickle.read,
    ".gguf": gguf.read,
}
SUFFIXES = tuple(_READERS)


def read_header(path: Path) -> Header:
    """What the file says it holds. Raises ModelProblem with a sentence when it cannot be used."""
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise ModelProblem(f"{path.name} is no file of weights: they end in {', '.join(SUFFIXES)}.", field="checkpoint")
    return reader(path)
