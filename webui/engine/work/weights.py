"""An open file of weights as work on models reads it: tensor by tensor, exactly as kept or in another type."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from webui.core.errors import ModelProblem
from webui.engine.checkpoints.headers.base import Header, TensorInfo, unreadable
from webui.engine.checkpoints.headers.read import read_header
from webui.engine.reading.bytes import FileBytes
from webui.engine.reading.weights import DTYPES, Weights

FP8 = (torch.float8_e4m3fn, torch.float8_e5m2)
SCALE_ENDS = ("scale_weight", "weight_scale", "scale_input", "input_scale", "scaled_fp8")
"""What the names of tensors end in that belong to 8-bit weights and mean nothing without them."""


class WeightFile:
    """One open file. What it says of itself and what is read are of one state: a change meanwhile is an error."""

    def __init__(self, path: Path, header: Header, file: io.FileIO, state: tuple[int, ...]) -> None:
        """file: open; state: what it was when the header was read."""
        self.path, self.header = path, header
        self._file, self._state = file, state
        data = FileBytes(path, file)
        self._weights, self._exact = Weights(path, header, data), Weights(path, _bytes_of(header), data)

    def __contains__(self, name: str) -> bool:
        return name in self.header.tensors

    @property
    def names(self) -> tuple[str, ...]:
        """All tensors in it."""
        return tuple(self.header.tensors)

    def info(self, name: str) -> TensorInfo:
        """What the header says of a tensor. Raises ModelProblem when it is missing."""
        info = self.header.tensors.get(name)
        if info is None:
            # The reader's own sentence.
            self._weights.tensor(name)
            raise AssertionError(name)
        return info

    def dtype(self, name: str) -> torch.dtype:
        """The type that `exact` gives it in: its own, or for quantised weights fp16. Raises ModelProblem."""
        return DTYPES.get(self.info(name).dtype, torch.float16)

    def exact(self, name: str) -> Tensor:
        """The tensor with the bytes that the file has, scales not applied; quantised ones as fp16."""
        dtype = self.dtype(name)
        tensor = self._exact.tensor(name)
        return tensor.view(dtype) if dtype in FP8 else tensor.to(dtype)

    def check_unchanged(self) -> None:
        """Raises ModelProblem when somebody wrote into the file since it was opened."""
        if self._state != _state(os.fstat(self._file.fileno())):
            raise _changed(self.path)

    def scaled(self, name: str) -> bool:
        """Whether `exact` is not what is meant: it must be multiplied by a scale beside it."""
        stem = name.removesuffix("weight")
        ends = ("scale_weight", "weight_scale")
        return self.dtype(name) in FP8 and name.endswith("weight") and any(f"{stem}{end}" in self for end in ends)

    def meant(self, name: str, dtype: torch.dtype = torch.float32) -> Tensor:
        """The tensor as the numbers that are meant; whole numbers keep their type."""
        return self._weights.tensor(name, dtype)


@contextmanager
def open_file(path: Path) -> Iterator[WeightFile]:
    """Open a file of weights of any format. Raises ModelProblem.

    One that is replaced by another file under its name goes on being read as it was.
    """
    try:
        file = path.open("rb", buffering=0)
    except OSError as error:
        raise unreadable(path, error) from error
    with file:
        before = _state(os.fstat(file.fileno()))
        header = read_header(path)
        try:
            now = _state(path.stat())
        except OSError as error:
            raise unreadable(path, error) from error
        if before != now:
            raise _changed(path)
        yield WeightFile(path, header, file, before)


def _state(stat: os.stat_result) -> tuple[int, ...]:
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns


def _changed(path: Path) -> ModelProblem:
    return ModelProblem(f"{path.name} was changed while it was read.", field="checkpoint", remedies=("Try again",))


def _bytes_of(header: Header) -> Header:
    """The header with 8-bit numbers called bytes, so that no scale is looked for."""
    tensors = {n: replace(i, dtype="U8") if DTYPES.get(i.dtype) in FP8 else i for n, i in header.tensors.items()}
    return replace(header, tensors=tensors)
