"""Attention in slices, so that a bounded share of the score matrix is held at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from webui.engine.attention.base import Attend

LARGEST_SCORES = 2**26
"""Elements of the largest score matrix that is held at once where a row says nothing else: 256 MiB in fp32."""
# Slices with fewer queries than this are slow, so then the heads are computed one by one first.
_FEW_ROWS = 64


def in_slices(attend: Attend, most: int) -> Attend:
    """The same attention with at most about `most` scores at once: by queries, and by heads where one row is more."""

    def sliced(
        query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, scale: float | None = None
    ) -> Tensor:
        rows = max(1, most // (query.shape[0] * query.shape[1] * key.shape[2]))
        if rows >= query.shape[2]:
            return attend(query, key, value, mask, scale)
        if rows < min(_FEW_ROWS, query.shape[2]) and query.shape[1] > 1:
            heads = zip(
                query.split(1, 1), key.split(1, 1), value.split(1, 1), _heads(mask, query.shape[1]), strict=True
            )
            return torch.cat([sliced(*head, scale) for head in heads], dim=1)
        firsts = range(0, query.shape[2], rows)
        parts = [
            attend(query[:, :, first : first + rows], key, value, rows_of(mask, first, rows), scale) for first in firsts
        ]
        return torch.cat(parts, dim=2)

    return sliced


def rows_of(mask: Tensor | None, first: int, count: int) -> Tensor | None:
    """What belongs to these queries of a mask, which may be the same for all."""
    return mask if mask is None or mask.shape[-2] == 1 else mask[..., first : first + count, :]


def _heads(mask: Tensor | None, count: int) -> Sequence[Tensor | None]:
    """The part of each head of a mask, which may be the same for all."""
    if mask is None or mask.ndim < 3 or mask.shape[-3] == 1:
        return [mask] * count
    return mask.split(1, -3)
