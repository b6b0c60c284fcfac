"""Read the header of a safetensors file without its data, and see whether the file is whole."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from webui.core.errors import ModelProblem

# A header of a real model is below 1 MB; the format itself allows 100 MB.
_MAX_HEADER = 100_000_000


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """One tensor of a file: its dtype by the format's name ("F16"), and its shape."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says it holds."""

    tensors: dict[str, TensorInfo]
    metadata: dict[str, str]


def read_header(path: Path) -> Header:
    """The header of a whole file. Raises ModelProblem with a sentence when the file is missing, damaged or cut off."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
            if not 2 <= length <= min(_MAX_HEADER, size - 8):
                raise _cut_off(path, "its header is not complete")
            header = json.loads(file.read(length))
        return _parse(path, header, size - 8 - length)
    except OSError as error:
        raise ModelProblem(f"{path.name} cannot be read: {error.strerror or error}.", field="checkpoint") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelProblem(
            f"{path.name} is no safetensors file, or is damaged.", field="checkpoint", remedies=_AGAIN
        ) from error


def _parse(path: Path, header: dict[str, Any], room: int) -> Header:
    metadata = header.pop("__metadata__", {})
    end = max((int(entry["data_offsets"][1]) for entry in header.values()), default=0)
    if end != room:
        raise _cut_off(path, f"it should hold {end:,} bytes of weights and holds {room:,}")
    tensors = {name: TensorInfo(entry["dtype"], tuple(entry["shape"])) for name, entry in header.items()}
    return Header(tensors, metadata)


_AGAIN = ("Copy or download the file again",)


def _cut_off(path: Path, how: str) -> ModelProblem:
    return ModelProblem(f"{path.name} is cut off: {how}.", field="checkpoint", remedies=_AGAIN)
