"""The header of a weight file, by the format that its name says. Torch-free."""

from __future__ import annotations

from pathlib import Path

from webui.core.errors import ModelProblem
from webui.engine.checkpoints.headers import gguf, pickle, safetensors
from webui.engine.checkpoints.headers.base import AGAIN, Header, unreadable

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

_PAGE = "is a web page in place of a model: the server perhaps wanted a login"
_OTHERS = (
    (b"<!doctype", _PAGE),
    (b"<html", _PAGE),
    (b"<?xml", _PAGE),
    (b"version https://git-lfs", "is a pointer of Git LFS; the file itself was not fetched"),
)


def read_header(path: Path) -> Header:
    """What the file says it holds. Raises ModelProblem with a sentence when it cannot be used."""
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise ModelProblem(f"{path.name} is no file of weights: they end in {', '.join(SUFFIXES)}.", field="checkpoint")
    other = _other(path)
    if other:
        raise ModelProblem(f"{path.name} {other}.", field="checkpoint", remedies=AGAIN)
    return reader(path)


def _other(path: Path) -> str:
    """What the file is where it is nothing of its name's kind, as downloads that went wrong are; else ""."""
    try:
        with path.open("rb") as file:
            start = file.read(64).lstrip().lower()
    except OSError as error:
        raise unreadable(path, error) from error
    if not start:
        return "is empty"
    return next((said for begin, said in _OTHERS if start.startswith(begin)), "")
