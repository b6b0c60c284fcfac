"""What an attention backend is in the worker: made for a place, it computes; or it says why it cannot."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from webui.core.errors import first_line
from webui.engine.config import Chunks

log = logging.getLogger(__name__)

DEFAULT = "sdpa"
"""The row that stands in for all others; it serves everywhere."""
AUTO = "auto"
"""The row that chooses among the others."""


class Attend(Protocol):
    """softmax(scale * query key^T + mask) value."""

    def __call__(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, scale: float | None = None
    ) -> Tensor:
        """(batch, heads, query tokens, width) for a query of that shape; key and value have tokens of their own.

        mask: broadcastable to (batch, heads, query tokens, key tokens); True or 0 where a query may look, False or -inf
        where not. scale: None means 1 / sqrt(width).
        """
        ...


class Choices(Protocol):
    """Knows what is fastest for a shape."""

    def best(self, query: Tensor, key: Tensor) -> Attend:
        """What computes attention of these shapes, without a mask."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where a backend is to compute. `name` is its row's; `choices` is for the one that chooses among the others."""

    name: str
    device: torch.device
    dtype: torch.dtype
    chunks: Chunks
    choices: Choices


Make = Callable[[Place], Attend]
"""What an attention row's `function` names. Whatever it raises is the reason why the backend cannot serve there."""


def sdpa(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, scale: float | None = None) -> Tensor:
    """torch's scaled_dot_product_attention, which picks a kernel by itself. See `Attend`."""
    return functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=scale)


def additive(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """A mask as numbers to be added to the scores."""
    if mask.dtype != torch.bool:
        return mask.to(dtype)
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(~mask, float("-inf"))


def aligned_bias(mask: Tensor, query: Tensor, key: Tensor) -> Tensor:
    """A mask as (batch, heads, query tokens, key tokens); rows start at multiples of 16 numbers, as kernels want it."""
    batch, heads, tokens, _ = query.shape
    seen = key.shape[2]
    bias = query.new_empty(batch, heads, tokens, -(-seen // 16) * 16)[..., :seen]
    return bias.copy_(additive(mask, query.dtype).expand(batch, heads, tokens, seen))


def said(error: BaseException) -> str:
    """An error's kind and words, for whoever sent a job: words that name files of this machine go into the log."""
    kind, words = type(error).__name__, first_line(error)
    if "/" in words or "\\" in words:
        log.warning("%s: %s", kind, words)
        return kind
    return f"{kind}: {words}"
