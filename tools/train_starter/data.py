"""The data set on disk: pictures as one uint8 array; the scenes follow from the seed and need no file."""

from __future__ import annotations

import logging
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from tools.train_starter.draw import SIDE, draw
from tools.train_starter.scene import Scene, random_scene

log = logging.getLogger(__name__)
CHUNK = 500


def scenes(seed: int, count: int) -> list[Scene]:
    """The first `count` scenes of the data set `seed`."""
    return [random_scene(seed, index) for index in range(count)]


def _chunk(seed: int, start: int, stop: int) -> np.ndarray:
    return np.stack([draw(random_scene(seed, index)) for index in range(start, stop)])


def make(folder: Path, seed: int, count: int) -> None:
    """Draws the pictures into `folder`/pictures.npy unless a file of that size lies there."""
    path = folder / "pictures.npy"
    if path.exists() and np.load(path, mmap_mode="r").shape[0] == count:
        log.info("data: %d pictures are there", count)
        return
    temporary = path.with_name("pictures.part.npy")
    out = np.lib.format.open_memmap(temporary, "w+", np.uint8, (count, SIDE, SIDE, 3))
    starts = list(range(0, count, CHUNK))
    stops = [min(count, start + CHUNK) for start in starts]
    with ProcessPoolExecutor(2) as pool:
        for start, pictures in zip(starts, pool.map(partial(_chunk, seed), starts, stops), strict=True):
            out[start : start + len(pictures)] = pictures
    out.flush()
    del out
    temporary.replace(path)
    log.info("data: %d pictures drawn", count)


def pictures(folder: Path) -> np.ndarray:
    """The pictures, uint8 [n, 128, 128, 3], read from disk as they are needed."""
    return np.load(folder / "pictures.npy", mmap_mode="r")
