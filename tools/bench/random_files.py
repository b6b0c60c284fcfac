"""Single files of SD1.5's and SDXL's true size with random weights, as people have them; runs where torch is."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from tools.bench.model_shapes import TRUE, Shapes, Widths, sd1, sdxl

SHAPES = {"sd15": sd1, "sdxl": sdxl}
NAMES = {torch.float32: "F32", torch.float16: "F16", torch.float8_e4m3fn: "F8_E4M3"}
"""What safetensors calls these types."""

# Random numbers take longer than writing them: those of one block are used again and again.
_BLOCK = 2**22


def write(label: str, path: Path, dtype: torch.dtype, widths: Widths = TRUE) -> Path:
    """Write a checkpoint with the names and shapes of SD1.5's ("sd15") or SDXL's ("sdxl") own file.

    One tensor at a time is in memory. Weights keep the size of what goes through them.
    """
    shapes = SHAPES[label](widths)
    entries: dict[str, object] = {}
    place = 0
    for name, shape in shapes.items():
        size = math.prod(shape) * dtype.itemsize
        entries[name] = {"dtype": NAMES[dtype], "shape": list(shape), "data_offsets": [place, place + size]}
        place += size
    head = json.dumps(entries).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(head)) + head)
        for tensor in _tensors(shapes):
            file.write(tensor.to(dtype).view(torch.uint8).numpy().data)
    return path


def _tensors(shapes: Shapes) -> Iterator[Tensor]:
    block = torch.randn(_BLOCK, generator=torch.Generator().manual_seed(7))
    shift = 0
    for name, shape in shapes.items():
        count = math.prod(shape)
        if len(shape) < 2:
            # Norms have a weight of one; biases are nothing.
            yield torch.full((count,), 1.0 if name.endswith("weight") else 0.0)
            continue
        # Another place of the block for each, so that no two tensors are alike.
        shift = (shift + 65_537) % _BLOCK
        numbers = block.roll(shift).repeat(-(-count // _BLOCK))[:count]
        yield numbers / math.sqrt(count / shape[0])
