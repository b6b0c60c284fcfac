"""Where a library's parameter lies in a file of another naming, and how the two are turned into each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Source:
    """The place of one parameter.

    chunk (i, j, n): of n equal parts along the first axis those from the i-th to before the j-th.
    swapped: the halves of its first axis are exchanged. transposed: its two axes are. pointwise: the file has a 1 x 1
    convolution where the library has a matrix. more: the file's numbers are by so much larger.
    """

    name: str
    chunk: tuple[int, int, int] | None = None
    swapped: bool = False
    transposed: bool = False
    pointwise: bool = False
    more: float = 0.0


Layout = Callable[[str, Mapping[str, Any]], Source]
"""(the parameter's name in the library, the network's config) -> its place in the file."""


def same(name: str, config: Mapping[str, Any]) -> Source:
    """The library's own naming."""
    return Source(name)


def take(tensor: Tensor, source: Source) -> Tensor:
    """The parameter out of the file's tensor; a view where that is possible."""
    if source.chunk is not None:
        first, end, count = source.chunk
        part = tensor.shape[0] // count
        tensor = tensor[first * part : end * part]
    if source.swapped:
        tensor = _swap(tensor)
    if source.transposed:
        tensor = tensor.t()
    if source.pointwise and tensor.dim() == 4:
        tensor = tensor[:, :, 0, 0]
    return tensor - source.more if source.more else tensor


def give(parameters: Iterable[tuple[Source, Tensor]]) -> dict[str, Tensor]:
    """The file's tensors out of parameters and their places; what `take` takes apart again."""
    parts: dict[str, dict[int, Tensor]] = {}
    for source, tensor in parameters:
        if source.more:
            tensor = tensor + source.more
        if source.pointwise:
            tensor = tensor[:, :, None, None]
        if source.transposed:
            tensor = tensor.t()
        if source.swapped:
            tensor = _swap(tensor)
        parts.setdefault(source.name, {})[source.chunk[0] if source.chunk else 0] = tensor
    return {name: _joined([chunks[index] for index in sorted(chunks)]).contiguous() for name, chunks in parts.items()}


def _joined(chunks: list[Tensor]) -> Tensor:
    # A single one may be a number without an axis.
    return torch.cat(chunks) if len(chunks) > 1 else chunks[0]


def _swap(tensor: Tensor) -> Tensor:
    first, second = tensor.chunk(2)
    return torch.cat([second, first])
