"""The tensors of a weight file, read one by one: safetensors, torch's own and GGUF, fp8 and its scales included."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import gguf
import torch
from torch import Tensor

from webui.core.errors import ModelProblem
from webui.engine.checkpoints.headers.base import AGAIN, Header, TensorInfo, unreadable
from webui.engine.checkpoints.headers.read import read_header
from webui.engine.reading.bytes import FileBytes

DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8,
    "BOOL": torch.bool,
}  # fmt: skip

# Beside an 8-bit weight lies what it must be multiplied by, under one of these names in place of "weight".
_SCALES = ("scale_weight", "weight_scale")


class Weights:
    """An open weight file; several threads may ask for tensors at once."""

    def __init__(self, path: Path, header: Header, data: FileBytes) -> None:
        self.path = path
        self.header = header
        self._data = data

    def __contains__(self, name: str) -> bool:
        return name in self.header.tensors

    def tensor(self, name: str, dtype: torch.dtype | None = None, *, channels_last: bool = False) -> Tensor:
        """A tensor on the host; floating-point ones in `dtype` if given, 8-bit ones with their scale applied.

        channels_last: with the channels (the second axis) of one with four axes side by side in memory.
        Raises ModelProblem when it is missing or cannot be read.
        """
        info = self.header.tensors.get(name)
        if info is None:
            raise ModelProblem(
                f"{self.path.name} is not complete: the tensor {name} is missing.", field="checkpoint", remedies=AGAIN
            )
        memory = torch.channels_last if channels_last and len(info.shape) == 4 else torch.contiguous_format
        known = DTYPES.get(info.dtype)
        if known is None:
            return self._dequantised(info).to(dtype or torch.float32, memory_format=memory)
        # Nothing computes in 8 bits here; what follows needs a type that can be multiplied.
        eight_bits = known in (torch.float8_e4m3fn, torch.float8_e5m2)
        wanted = dtype or (torch.float32 if eight_bits else known)
        tensor = self._plain(info, known, wanted if known.is_floating_point else known, memory)
        scale = self._scale(name) if eight_bits else None
        return tensor if scale is None else tensor.mul_(scale.to(tensor.dtype))

    def _scale(self, name: str) -> Tensor | None:
        stem, dot, last = name.rpartition(".")
        if last != "weight":
            return None
        return next((self.tensor(f"{stem}{dot}{scale}") for scale in _SCALES if f"{stem}{dot}{scale}" in self), None)

    def _plain(self, info: TensorInfo, dtype: torch.dtype, wanted: torch.dtype, memory: torch.memory_format) -> Tensor:
        if not info.stride:
            tensor = torch.empty(info.shape, dtype=wanted, memory_format=memory)
            self._data.fill(tensor, info.start, dtype)
            return tensor
        extent = 1 + sum((side - 1) * step for side, step in zip(info.shape, info.stride, strict=True))
        flat = self._data.read(info.start, extent * dtype.itemsize).view(dtype)
        strided = flat.as_strided(info.shape, info.stride)
        return torch.empty(info.shape, dtype=wanted, memory_format=memory).copy_(strided)

    def _dequantised(self, info: TensorInfo) -> Tensor:
        kind = gguf.GGMLQuantizationType.__members__.get(info.dtype)
        if kind is None:
            raise ModelProblem(f"{self.path.name} has weights of the type {info.dtype}, which cannot be read here.")
        block, block_bytes = gguf.GGML_QUANT_SIZES[kind]
        rows = (*info.shape[:-1], info.shape[-1] // block * block_bytes)
        raw = self._data.read(info.start, math.prod(rows)).numpy().reshape(rows)
        try:
            return torch.from_numpy(gguf.quants.dequantize(raw, kind)).view(info.shape)
        except NotImplementedError as error:
            raise ModelProblem(
                f"{self.path.name} is quantised as {info.dtype}, which cannot be read here.", field="checkpoint"
            ) from error


class Joined:
    """Several open files that hold one network's tensors between them."""

    def __init__(self, files: Sequence[Weights]) -> None:
        """files: at least one."""
        self._files = files
        self.path = files[0].path

    def __contains__(self, name: str) -> bool:
        return any(name in file for file in self._files)

    def tensor(self, name: str, dtype: torch.dtype | None = None, *, channels_last: bool = False) -> Tensor:
        """See `Weights.tensor`."""
        file = next((file for file in self._files if name in file), self._files[0])
        return file.tensor(name, dtype, channels_last=channels_last)


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
            files.append(Weights(path, header, opened.enter_context(closing(FileBytes(path, file)))))
        yield Joined(files)
