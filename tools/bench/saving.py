"""What saving costs: encoding with both text chunks, and writing so that a crash leaves no half file."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from tools.bench.results import Row
from webui.core import infotext
from webui.core.request import GenerationRequest
from webui.images.metadata import write_png
from webui.images.store import PictureStore

_REPEATS = 9
SIDES = (128, 512, 1024)


def saving(folder: Path) -> list[Row]:
    """Milliseconds for pictures of three sizes."""
    return [row for side in SIDES for row in _saving(folder / "saving", side)]


def _saving(folder: Path, side: int) -> list[Row]:
    image = picture(side)
    request = GenerationRequest(prompt="a red circle on a blue background", seed=7, width=side, height=side)
    text = infotext.write(request, 0, "bench")
    data = write_png(image, text, request.to_json(), 1)
    store = PictureStore(folder, owner="bench")
    paths = iter(store.reserve("txt2img", range(_REPEATS)))
    encoded = _median(lambda: write_png(image, text, request.to_json(), 1))
    stored = _median(lambda: store.save(next(paths), data))
    plain = _median(lambda: image.save(folder / "plain.png"))
    note = f"encoding {1000 * encoded:.1f}, writing {1000 * stored:.1f}; Pillow's plain save {1000 * plain:.1f} ms"
    return [Row(f"saving: {side} x {side}", 1000 * (encoded + stored), "ms", note=note)]


def picture(side: int) -> Image.Image:
    """A picture with smooth parts and grain, as photographs and paintings have: neither flat nor pure noise."""
    across = np.linspace(0, 255, side)
    smooth = np.stack(
        [
            np.add.outer(across, across) / 2,
            np.subtract.outer(across, across) / 2 + 128,
            across[None] + 0 * across[:, None],
        ],
        -1,
    )
    grain = np.random.default_rng(7).normal(0, 3, (side, side, 3))
    return Image.fromarray(np.clip(smooth + grain, 0, 255).astype(np.uint8))


def _median(action: Callable[[], object]) -> float:
    times = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return statistics.median(times)
