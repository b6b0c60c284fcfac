"""The tensors of a weight file, read one by one: safetensors, torch's own and GGUF, fp8 and its scales included."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import gguf
import torch
from torch import Tensor

from webui.core.errors import ModelProblem
from webui.engine.checkpoints.headers.base import AGAIN, Header, TensorInfo, unreadable
from webui.engine.checkpoints.headers.read import read_header

DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8,
    "BOOL": torch.bool,
}  # fmt: skip

# Beside an 8-bit weight lies what it must be multiplied by, under one of these names in place of "weight".
_SCALES = ("scale_weight", "weight_scale")


class Weights:
    """An open weight file. What it holds is read and never mapped: a file that is overwritten meanwhile gives an error
    or wrong numbers, where a mapped one would kill the process."""

    def __init__(self, path: Path, header: Header, file: io.RawIOBase) -> None:
        self.path = path
        self.header = header
        self._file = file

    def __contains__(self, name: str) -> bool:
        return name in self.header.tensors

    def tensor(self, name: str, dtype: torch.dtype | None = None) -> Tensor:
        """A tensor on the host; floating-point ones in `dtype` if given, 8-bit ones with their scale applied.

        Raises ModelProblem when it is missing or cannot be read.
        """
        info = self.header.tensors.get(name)
        if info is None:
            raise ModelProblem(
                f"{self.path.name} is not complete: the tensor {name} is missing.", field="checkpoint", remedies=AGAIN
            )
        known = DTYPES.get(info.dtype)
        tensor = self._dequantised(info) if known is None else self._plain(info, known)
        if known in (torch.float8_e4m3fn, torch.float8_e5m2):
            # Nothing computes in 8 bits here; what follows needs a type that can be multiplied.
            tensor = tensor.to(dtype or torch.float32)
            scale = self._scale(name)
            tensor = tensor if scale is None else (tensor * scale.to(tensor.dtype))
        return tensor.to(dtype) if dtype is not None and tensor.is_floating_point() else tensor

    def _scale(self, name: str) -> Tensor | None:
        stem, dot, last = name.rpartition(".")
        if last != "weight":
            return None
        return next((self.tensor(f"{stem}{dot}{scale}") for scale in _SCALES if f"{stem}{dot}{scale}" in self), None)

    def _plain(self, info: TensorInfo, dtype: torch.dtype) -> Tensor:
        if not info.stride:
            return self._read(info.start, math.prod(info.shape) * dtype.itemsize).view(dtype).view(info.shape)
        extent = 1 + sum((side - 1) * step for side, step in zip(info.shape, info.stride, strict=True))
        flat = self._read(info.start, extent * dtype.itemsize).view(dtype)
        return flat.as_strided(info.shape, info.stride).contiguous()

    def _dequantised(self, info: TensorInfo) -> Tensor:
        kind = gguf.GGMLQuantizationType.__members__.get(info.dtype)
        if kind is None:
            raise ModelProblem(f"{self.path.name} has weights of the type {info.dtype}, which cannot be read here.")
        block, block_bytes = gguf.GGML_QUANT_SIZES[kind]
        rows = (*info.shape[:-1], info.shape[-1] // block * block_bytes)
        raw = self._read(info.start, math.prod(rows)).numpy().reshape(rows)
        try:
            return torch.from_numpy(gguf.quants.dequantize(raw, kind)).view(info.shape)
        except NotImplementedError as error:
            raise ModelProblem(
                f"{self.path.name} is quantised as {info.dtype}, which cannot be read here.", field="checkpoint"
            ) from error

    def _read(self, start: int, length: int) -> Tensor:
        data = torch.empty(length, dtype=torch.uint8)
        room = data.numpy().data
        try:
            self._file.seek(start)
            # The system gives at most 2 GB at a time.
            while room and (got := self._file.readinto(room)):
                room = room[got:]
        except OSError as error:
            raise unreadable(self.path, error) from error
        if room:
            raise ModelProblem(
                f"{self.path.name} became shorter while it was read.", field="checkpoint", remedies=("Try again",)
            )
        return data


class Joined:
    """Several open files that hold one network's tensors between them."""

    def __init__(self, files: Sequence[Weights]) -> None:
        """files: at least one."""
        self._files = files
        self.path = files[0].path

    def __contains__(self, name: str) -> bool:
        return any(name in file for file in self._files)

    def tensor(self, name: str, dtype: torch.dtype | None = None) -> Tensor:
        """See `Weights.tensor`."""
        return next((file for file in self._files if name in file), self._files[0]).tensor(name, dtype)


@contextmanager
def open_weights(*paths: Path) -> Iterator[Joined]:
    """Open the files that hold a network's weights, of any format. Raises ModelProblem."""
    with ExitStack() as opened:
        files = []
        for path in paths:
            header = read_header(path)
            try:
                file = opened.enter_context(path.open("rb", buffering=0))
            except OSError as error:
                raise unreadable(path, error) from error
            files.append(Weights(path, header, file))
        yield Joined(files)
