"""Decode latents, or encode pictures, by overlapping tiles that fade into each other.

diffusers' own tiling keeps the tiles' size in the network, which models share here and nobody changes.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

# The part of a tile's side that overlaps the next one: the decoder looks so far beyond a cell.
_OVERLAP = 0.25


def by_tiles(compute: Callable[[Tensor], Tensor], whole: Tensor, side: int, taken: int, given: int) -> Tensor:
    """What `compute` makes of a whole (1, channels, height, width), made tile by tile.

    compute: the same for a tile of at most `side` cells along each side. taken, given: how many values a cell has along
    each side in the whole and in the answer: 1 and 8 from latents to pictures, 8 and 1 from pictures to latents. Where
    two tiles overlap, the one's share falls from 1 to 0 while the other's rises. A whole of one tile is computed as it
    is.
    """
    height, width = (length // taken for length in whole.shape[-2:])
    rows, columns = _starts(height, side), _starts(width, side)
    if len(rows) == len(columns) == 1:
        return compute(whole)
    made = total = None
    for top in rows:
        for left in columns:
            tile = compute(whole[..., _span(top, side, taken), _span(left, side, taken)]).float()
            if made is None or total is None:
                made = tile.new_zeros(*tile.shape[:2], height * given, width * given)
                total = tile.new_zeros(1, 1, height * given, width * given)
            share = _ramp(tile.shape[-2], rows, top, side, given, tile)[:, None]
            share = share * _ramp(tile.shape[-1], columns, left, side, given, tile)[None]
            place = ..., slice(top * given, None), slice(left * given, None)
            size = ..., slice(tile.shape[-2]), slice(tile.shape[-1])
            made[place][size] += tile * share
            total[place][size] += share
    assert made is not None and total is not None
    return made.div_(total)


def _span(start: int, side: int, scale: int) -> slice:
    return slice(start * scale, (start + side) * scale)


def _starts(length: int, side: int) -> list[int]:
    """Where tiles begin along one side, evenly spread, the last one ending with the picture."""
    if length <= side:
        return [0]
    stride = side - int(side * _OVERLAP)
    count = -(-(length - side) // stride) + 1
    return [round(place * (length - side) / (count - 1)) for place in range(count)]


def _ramp(length: int, starts: list[int], start: int, side: int, given: int, like: Tensor) -> Tensor:
    """The share (length,) of a tile along one axis: 1 inside, falling towards each neighbour across the overlap."""
    share = torch.ones(length, device=like.device, dtype=torch.float32)
    place = starts.index(start)
    if place:
        width = (starts[place - 1] + side - start) * given
        share[:width] = _rising(width, like)
    if place + 1 < len(starts):
        width = (start + side - starts[place + 1]) * given
        share[-width:] = torch.minimum(share[-width:], _rising(width, like).flip(0))
    return share


def _rising(width: int, like: Tensor) -> Tensor:
    # Never 0, so that the shares of a pixel have a sum to be divided by.
    return (torch.arange(width, device=like.device, dtype=torch.float32) + 0.5) / width
