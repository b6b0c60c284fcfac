"""HyperTile: a UNet's self-attention within tiles of the picture, cut otherwise from layer to layer.

The method is tfernd's (https://github.com/tfernd/HyperTile); options and limits are A1111's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

from torch import Tensor

from webui.engine.attention.cells import Sides

_CELL_PIXELS = 8
_LEAST_CELLS = 16
"""Side of the smallest tile, in cells of the latents: 128 pixels."""


@dataclass(frozen=True, slots=True)
class Tiling:
    """How attention is cut; the fields of a request that begin with `hypertile` (core/speed_fields.py)."""

    max_depth: int = 3
    """Layers whose sides were halved more often than so since the finest ones are left whole."""
    max_tile: int = 256
    """The most that is asked of a tile's side, in pixels."""
    swap_size: int = 3
    """How many ways to cut a side take turns; 1 cuts all layers of a depth alike."""


class HyperTile:
    """Cuts the layers of forward passes. Used by one thread.

    Which cut a layer takes depends on its place among those of its size alone. (A1111 draws it for each layer and call
    by the seed; then neither jobs of two seeds nor two steps could share a pass.)
    """

    def __init__(self, tiling: Tiling) -> None:
        self._tiling = tiling
        self._grids: dict[tuple[Sides, int, Sides], list[tuple[int, int]]] = {}

    def grid(self, sides: Sides, depth: int, latents: Sides, place: int) -> tuple[int, int]:
        """(rows, columns) of tiles for a layer. place: its number among the pass's layers of this size.

        sides: its own, in tokens. depth: see `Cells.layer`. (1, 1) is whole.
        """
        if depth > self._tiling.max_depth:
            return 1, 1
        known = self._grids.get((sides, depth, latents))
        if known is None:
            # Tiles of coarser layers are that much larger, as in A1111: there attention costs little.
            least = tile_side(latents, self._tiling.max_tile) * 2**depth
            rows, columns = (cuts(side, least, self._tiling.swap_size) for side in sides)
            known = self._grids[sides, depth, latents] = [(down, across) for across, down in product(columns, rows)]
        return known[place % len(known)]


def tile_side(latents: Sides, max_tile: int) -> int:
    """The least side of a tile in the latents' cells, as in A1111: the largest power of two that divides both sides.

    max_tile: in pixels; no more than that. But not below 128 pixels, whatever divides the sides.
    """
    common = math.gcd(*latents)
    return max(_LEAST_CELLS, min(common & -common, max_tile // _CELL_PIXELS))


def cuts(side: int, least: int, most: int) -> list[int]:
    """Into how many equal tiles of at least `least` tokens a side can be cut: the most tiles first, so many ways.

    A side that nothing divides stays whole: [1].
    """
    counts = [side // size for size in range(min(least, side), side + 1) if side % size == 0]
    return counts[:most]


def cut(tokens: Tensor, sides: Sides, grid: tuple[int, int]) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """A layer's tokens (batch, height * width, width) as (batch * tiles, tokens of a tile, width).

    What is returned beside them puts answers (batch * tiles, tokens of a tile, any width) together again.
    """
    rows, columns = grid
    height, width = sides[0] // rows, sides[1] // columns
    batch = tokens.shape[0]
    tiles = tokens.reshape(batch, rows, height, columns, width, -1).transpose(2, 3)

    def whole(answer: Tensor) -> Tensor:
        parted = answer.reshape(batch, rows, columns, height, width, -1).transpose(2, 3)
        return parted.reshape(batch, rows * height * columns * width, answer.shape[-1])

    return tiles.reshape(batch * rows * columns, height * width, -1), whole
