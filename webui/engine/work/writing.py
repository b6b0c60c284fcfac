"""Write a file of weights tensor by tensor: never more than one of them is in memory, and what is written is whole."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, BinaryIO, cast

import torch
from torch import Tensor

from webui.core.errors import ModelProblem
from webui.engine.device import STORAGE
from webui.engine.reading.weights import DTYPES
from webui.engine.work.base import Steps
from webui.engine.work.files import new_file
from webui.engine.work.tensors import Piece

Make = Callable[[str], Tensor]
"""A piece's tensor by its name."""

_NAMES = {dtype: name for name, dtype in DTYPES.items()}
# Room for the index of a zip and for what pickle says of each tensor.
_CKPT_BYTES_EACH = 1_000
# The format allows so long a header, and no longer.
_MAX_HEADER = 100_000_000


def kept_in(piece: Piece, precision: str) -> torch.dtype:
    """The type that a piece gets at a precision, "" for its own: whole numbers keep theirs, fp8 is for matrices."""
    if not precision or not piece.dtype.is_floating_point:
        return piece.dtype
    if precision == "fp8" and len(piece.shape) < 2:
        # Norms and biases are small, and suffer most; programs that write such files keep them in 16 bits.
        return torch.float16 if piece.dtype == torch.float32 else piece.dtype
    return STORAGE[precision]


def size_of(pieces: Mapping[str, Piece]) -> int:
    """Bytes that they take in a file, about."""
    return content_of(pieces) + _CKPT_BYTES_EACH * len(pieces)


def content_of(pieces: Mapping[str, Piece]) -> int:
    """Bytes of their numbers alone, of which works tell how many are done."""
    return sum(piece.size_bytes for piece in pieces.values())


def write_file(
    target: Path,
    pieces: Mapping[str, Piece],
    make: Make,
    steps: Steps,
    *,
    check: Callable[[], None],
    metadata: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> Path:
    """A new file of these tensors, as safetensors, or with torch where its name ends in .ckpt; see `new_file`.

    check: called before the file gets its name; what it raises, takes the file away.
    A .ckpt has no place for metadata, and all its tensors are in memory when it is written.
    """
    if not pieces:
        raise ModelProblem("No weights are left to be written.", field="checkpoint")
    with new_file(target, size_of(pieces), overwrite=overwrite) as file:
        if target.suffix == ".ckpt":
            _torch_file(file, pieces, make, steps)
        else:
            _safetensors(file, pieces, make, steps, metadata or {})
        check()
    return target


def _safetensors(
    file: BinaryIO, pieces: Mapping[str, Piece], make: Make, steps: Steps, metadata: Mapping[str, str]
) -> None:
    # The widest first, as the library writes them: so each begins at a multiple of its width.
    order = sorted(pieces, key=lambda name: (-pieces[name].dtype.itemsize, name))
    header: dict[str, object] = {"__metadata__": {**metadata, "format": "pt"}}
    place = 0
    for name in order:
        piece = pieces[name]
        if piece.dtype not in _NAMES:
            raise ModelProblem(f"The tensor {name} is of a type that safetensors files do not have here.")
        end = place + piece.size_bytes
        header[name] = {"dtype": _NAMES[piece.dtype], "shape": list(piece.shape), "data_offsets": [place, end]}
        place = end
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")
    text += b" " * (-len(text) % 8)
    if len(text) > _MAX_HEADER:
        raise ModelProblem("Its metadata is larger than a safetensors file may have.", remedies=("Leave it out",))
    file.write(struct.pack("<Q", len(text)) + text)
    for name in order:
        tensor = _made(name, pieces[name], make, steps)
        if tensor.numel():
            file.write(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)


def _torch_file(file: BinaryIO, pieces: Mapping[str, Piece], make: Make, steps: Steps) -> None:
    tensors = {name: _made(name, piece, make, steps).contiguous() for name, piece in pieces.items()}
    writer = _Writer(file)
    try:
        torch.save({"state_dict": {n: _alone(t) for n, t in tensors.items()}}, cast(IO[bytes], writer))
    except Exception as error:
        # torch puts its own words round what the system said.
        raise (writer.error or error) from error


class _Writer:
    """Hands on to a file, and keeps what the system refused."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        self._file.flush()


def _alone(tensor: Tensor) -> Tensor:
    """The tensor; as a copy where it is a part of something larger, all of which torch would write."""
    return tensor if tensor.untyped_storage().nbytes() == tensor.nbytes else tensor.clone()


def _made(name: str, piece: Piece, make: Make, steps: Steps) -> Tensor:
    tensor = make(name)
    if tensor.dtype != piece.dtype or tuple(tensor.shape) != piece.shape:
        raise ModelProblem(
            f"The tensor {name} is {tuple(tensor.shape)} and should be {piece.shape}.", field="checkpoint"
        )
    steps.advance(piece.size_bytes)
    return tensor
