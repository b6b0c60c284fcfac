"""Decode latents by overlapping tiles, whose pictures fade into each other.

diffusers' own tiling keeps the tiles' size in the network, which models share here and nobody changes.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

# The part of a tile's side that overlaps the next one: the decoder looks so far beyond a cell.
_OVERLAP = 0.25


def decode_tiled(decode: Callable[[Tensor], Tensor], latent: Tensor, side: int, factor: int) -> Tensor:
    """The picture (1, 3, height, width) of a latent (1, channels, height/factor, width/factor).

    decode: the same for a tile of at most `side` cells along each side. Where two tiles overlap, the one's share falls
    from 1 to 0 while the other's rises. A latent of one tile is decoded as it is.
    """
    rows, columns = _starts(latent.shape[-2], side), _starts(latent.shape[-1], side)
    if len(rows) == len(columns) == 1:
        return decode(latent)
    picture = total = None
    for top in rows:
        for left in columns:
            tile = decode(latent[..., top : top + side, left : left + side]).float()
            if picture is None or total is None:
                size = latent.shape[-2] * factor, latent.shape[-1] * factor
                picture = tile.new_zeros(*tile.shape[:2], *size)
                total = tile.new_zeros(1, 1, *size)
            share = _ramp(tile.shape[-2], rows, top, side, factor, tile)[:, None]
            share = share * _ramp(tile.shape[-1], columns, left, side, factor, tile)[None]
            place = (
                ...,
                slice(top * factor, top * factor + tile.shape[-2]),
                slice(left * factor, left * factor + tile.shape[-1]),
            )
            picture[place] += tile * share
            total[place] += share
    assert picture is not None and total is not None
    return picture.div_(total)


def _starts(length: int, side: int) -> list[int]:
    """Where tiles begin along one side, evenly spread, the last one ending with the picture."""
    if length <= side:
        return [0]
    stride = side - int(side * _OVERLAP)
    count = -(-(length - side) // stride) + 1
    return [round(place * (length - side) / (count - 1)) for place in range(count)]


def _ramp(pixels: int, starts: list[int], start: int, side: int, factor: int, like: Tensor) -> Tensor:
    """The share (pixels,) of a tile along one axis: 1 inside, falling towards each neighbour across the overlap."""
    share = torch.ones(pixels, device=like.device, dtype=torch.float32)
    place = starts.index(start)
    if place:
        width = (starts[place - 1] + side - start) * factor
        share[:width] = _rising(width, like)
    if place + 1 < len(starts):
        width = (start + side - starts[place + 1]) * factor
        share[-width:] = torch.minimum(share[-width:], _rising(width, like).flip(0))
    return share


def _rising(width: int, like: Tensor) -> Tensor:
    # Never 0, so that the shares of a pixel have a sum to be divided by.
    return (torch.arange(width, device=like.device, dtype=torch.float32) + 0.5) / width
