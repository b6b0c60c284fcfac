"""Attention by matrix products of our own, in slices that a bounded share of memory holds; on any device."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from webui.engine.attention.base import Attend, Place, additive
from webui.engine.attention.slices import LARGEST_SCORES, in_slices, rows_of
from webui.engine.config import Chunks
from webui.engine.device import memory

# Largest score matrix that `math` holds at once, in elements.
_SCORES = LARGEST_SCORES
# `split` never takes less than this at once, or slices would cost more than they save.
_LEAST_SCORES = 2**20
# The part of the free memory that `split` may fill with scores; they stand there twice while softmax is computed.
_SPLIT_SHARE = 0.125
# The part that the scores may fill before `sub-quadratic` cuts the keys too, where no threshold is given.
_CHUNK_SHARE = 0.7


def products(_: Place) -> Attend:
    """Plain matrix products; only very large score matrices are computed in slices."""

    def attend(
        query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, scale: float | None = None
    ) -> Tensor:
        return _sliced(query, key, value, mask, scale, _SCORES)

    return attend


def split(place: Place) -> Attend:
    """In as many slices as the memory that is free at the moment makes necessary."""

    def attend(
        query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, scale: float | None = None
    ) -> Tensor:
        if scores_of(query, key) <= _LEAST_SCORES:
            return _sliced(query, key, value, mask, scale, _LEAST_SCORES)
        most = int(memory(place.device)[0] * _SPLIT_SHARE) // query.element_size()
        return _sliced(query, key, value, mask, scale, max(most, _LEAST_SCORES))

    return attend


def sub_quadratic(place: Place) -> Attend:
    """A chunk of queries at a time, and chunks of keys joined by running maxima and sums: memory grows with the tokens.

    Source: Rabe and Staats, "Self-attention Does Not Need O(n^2) Memory" (2021).
    """
    chunks = place.chunks

    def attend(
        query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, scale: float | None = None
    ) -> Tensor:
        keys = _key_chunk(query, key, chunks, lambda: memory(place.device)[0])
        scaled = query * (query.shape[-1] ** -0.5 if scale is None else scale)
        bias = None if mask is None else additive(mask, query.dtype)
        parts = []
        for first in range(0, query.shape[2], chunks.query):
            part = scaled[:, :, first : first + chunks.query]
            rows = rows_of(bias, first, chunks.query)
            if keys >= key.shape[2]:
                scores = part @ key.transpose(-1, -2)
                parts.append(_weights(scores, rows) @ value)
            else:
                parts.append(_running(part, key, value, rows, keys))
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)

    return attend


def scores_of(query: Tensor, key: Tensor) -> int:
    """Elements of the whole score matrix."""
    return query.shape[0] * query.shape[1] * query.shape[2] * key.shape[2]


def _key_chunk(query: Tensor, key: Tensor, chunks: Chunks, free: Callable[[], int]) -> int:
    """How many keys are looked at together: all of them while the scores of all queries fit below the threshold."""
    keys = key.shape[2]
    size = scores_of(query, key) * query.element_size()
    if chunks.threshold is None:
        # Asking for the free memory is not for nothing: small matrices fit wherever a model does.
        whole = size <= _LEAST_SCORES or size <= _CHUNK_SHARE * free()
    else:
        whole = chunks.threshold > 0 and size <= chunks.threshold / 100 * free()
    if whole:
        return keys
    return chunks.key or max(1, math.isqrt(keys))


def _running(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, chunk: int) -> Tensor:
    """Attention of scaled queries to all keys, a chunk of keys at a time.

    Sums are kept in fp32: with many chunks the rounding of half precision would add up.
    """
    shape = (*query.shape[:3], 1)
    top = torch.full(shape, -math.inf, device=query.device)
    total = torch.zeros(shape, device=query.device)
    answer = torch.zeros(*query.shape[:3], value.shape[-1], device=query.device)
    for first in range(0, key.shape[2], chunk):
        scores = (query @ key[:, :, first : first + chunk].transpose(-1, -2)).float()
        if bias is not None:
            columns = bias if bias.shape[-1] == 1 else bias[..., first : first + chunk]
            scores = scores + columns
        highest = torch.maximum(top, scores.amax(dim=-1, keepdim=True))
        # Where nothing may be looked at so far, the highest is -inf, and -inf - -inf would be no number.
        safe = highest.masked_fill(highest == -math.inf, 0)
        weights = (scores - safe).exp()
        before = (top - safe).exp()
        total = total * before + weights.sum(dim=-1, keepdim=True)
        answer = answer * before + (weights.to(value.dtype) @ value[:, :, first : first + chunk]).float()
        top = highest
    return (answer / total.where(total != 0, 1)).to(value.dtype)


def _sliced(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float | None, most: int) -> Tensor:
    """Attention with at most about `most` scores at once."""
    return in_slices(_whole, most)(query, key, value, mask, scale)


def _whole(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, scale: float | None = None) -> Tensor:
    bias = None if mask is None else additive(mask, query.dtype)
    scores = (query * (query.shape[-1] ** -0.5 if scale is None else scale)) @ key.transpose(-1, -2)
    return _weights(scores, bias) @ value


def _weights(scores: Tensor, bias: Tensor | None) -> Tensor:
    """softmax; a query that may look at nothing gets 0 as torch's attention gives it, and no NaN."""
    return scores.softmax(dim=-1) if bias is None else torch._safe_softmax(scores + bias, dim=-1)
