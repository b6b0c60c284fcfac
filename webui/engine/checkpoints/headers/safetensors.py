"""Read the header of a safetensors file without its data, and see whether the file is whole."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import Any

from webui.core.errors import ModelProblem
from webui.engine.checkpoints.headers.base import AGAIN, BITS, Header, TensorInfo, cut_off, damaged, unreadable

# A header of a real model is below 1 MB; the format itself allows 100 MB.
_MAX_HEADER = 100_000_000


def read(path: Path) -> Header:
    """The header of a whole file. Raises ModelProblem with a sentence when the file is missing, damaged or cut off."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
            if length > _MAX_HEADER:
                raise damaged(path, f"its header claims {length:,} bytes, and the format allows 100 million")
            if not 2 <= length <= size - 8:
                raise cut_off(path, "its header is not complete")
            header = json.loads(file.read(length))
        return _parse(path, header, 8 + length, size)
    except OSError as error:
        raise unreadable(path, error) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise ModelProblem(
            f"{path.name} is no safetensors file, or is damaged.", field="checkpoint", remedies=AGAIN
        ) from error


def _parse(path: Path, header: dict[str, Any], begin: int, size: int) -> Header:
    metadata = header.pop("__metadata__", {})
    end = max((int(entry["data_offsets"][1]) for entry in header.values()), default=0)
    if end != size - begin:
        raise cut_off(path, f"it should hold {end:,} bytes of weights and holds {size - begin:,}")
    tensors = {}
    for name, entry in header.items():
        first, last = (int(place) for place in entry["data_offsets"])
        dtype, shape = str(entry["dtype"]), tuple(int(side) for side in entry["shape"])
        bits = BITS.get(dtype)
        if first < 0 or (bits and math.prod(shape) * bits != (last - first) * 8) or any(side < 0 for side in shape):
            raise damaged(path, f"the size of '{name[:80]}' does not fit its shape")
        tensors[name] = TensorInfo(dtype, shape, begin + first)
    return Header(tensors, {str(k): str(v) for k, v in metadata.items()})
