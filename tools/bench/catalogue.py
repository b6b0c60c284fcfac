"""Listing thousands of model files: the first time, when each is looked into, and on every start after that."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from tools.bench.aside import aside
from tools.bench.results import Row, at_most
from webui.core.errors import DarkroomError
from webui.core.model_folders import inside_models
from webui.engine.checkpoints.catalogue import Catalogue

FILES = 2_000
BAR_SECONDS = 1.0
_STARTS = 5
# Of a file's weights only the sizes matter here, so that each number takes one byte.
_DTYPE = "F8_E4M3"

Shapes = Mapping[str, tuple[int, ...]]


def catalogue(folder: Path, files: int = FILES) -> list[Row]:
    """Seconds to list so many files of SD1's and SDXL's names, on a first start and on later ones."""
    models, state = folder / "catalogue" / "models", folder / "catalogue" / "state"
    # In a process that ends, so that this one has no torch in it.
    aside("tools.bench.catalogue:write_models", models, files)
    beside, _ = _listing(models, state, known_only=True)
    first, found = _listing(models, state)
    starts = [_listing(models, state) for _ in range(_STARTS)]
    if any(found != again for _, again in starts) or found != files:
        raise DarkroomError(f"The catalogue found {found:,} of {files:,} files.")
    again = min(seconds for seconds, _ in starts)
    looking, asking = _while_it_runs(models, state)
    return [
        Row(f"catalogue: {files:,} files, first start", first, "s", note="each looked into and hashed"),
        at_most(
            f"catalogue: {files:,} new files, a worker's start beside it",
            beside,
            BAR_SECONDS,
            "s",
            note="it waits for none of them",
        ),
        at_most(
            f"catalogue: {files:,} files, second start",
            again,
            BAR_SECONDS,
            "s",
            note=f"the best of {_STARTS}",
            samples={"seconds": [seconds for seconds, _ in starts]},
        ),
        Row("catalogue: the folders looked through again", 1000 * looking, "ms"),
        Row("catalogue: one found by its short hash", 1e6 * asking, "µs"),
    ]


def _listing(models: Path, state: Path, known_only: bool = False) -> tuple[float, int]:
    """(seconds until the list is there, checkpoints in it), as a start does it. known_only: that of a worker."""
    start = time.perf_counter()
    found = Catalogue(inside_models(models), state, known_only=known_only).all()
    return time.perf_counter() - start, sum(checkpoint.problem is None for checkpoint in found)


def _while_it_runs(models: Path, state: Path) -> tuple[float, float]:
    """Seconds to see that nothing has changed, and to find one of the checkpoints."""
    kept = Catalogue(inside_models(models), state, look_seconds=0.0)
    start = time.perf_counter()
    found = kept.all()
    looking = time.perf_counter() - start
    quiet = Catalogue(inside_models(models), state, look_seconds=600.0)
    start = time.perf_counter()
    for checkpoint in found:
        quiet.find(checkpoint.hash[:10])
    return looking, (time.perf_counter() - start) / max(1, len(found))


def write_models(models: Path, files: int) -> None:
    """Checkpoints of SD1 and SDXL in turn, in ten folders: real names, small shapes, no two alike."""
    # Torch belongs into the child only.
    from tools.bench.model_shapes import sd1, sdxl

    headers = [_header(sd1()), _header(sdxl())]
    for number in range(files):
        head, size = headers[number % 2]
        path = models / "Stable-diffusion" / f"folder {number % 10}" / f"model {number:04}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.write(struct.pack("<Q", len(head)) + head + struct.pack("<Q", number))
            file.truncate(8 + len(head) + size)


def _header(shapes: Shapes) -> tuple[bytes, int]:
    """(the header in safetensors' form, bytes of weights)."""
    entries: dict[str, object] = {}
    place = 0
    for name, (shape, size) in _sized(shapes):
        entries[name] = {"dtype": _DTYPE, "shape": shape, "data_offsets": [place, place + size]}
        place += size
    return json.dumps(entries).encode(), place


def _sized(shapes: Shapes) -> Iterator[tuple[str, tuple[list[int], int]]]:
    for name, shape in shapes.items():
        size = 1
        for side in shape:
            size *= side
        yield name, (list(shape), size)
