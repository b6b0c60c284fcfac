"""Adapters computed beside a network's weights, for those rows of a forward pass that have them.

A layer's answer y = W x becomes y + m * up (down x) (arXiv 2106.09685, section 4.1), so that rows with other adapters,
or with none, share the pass over W. What is no product of two matrices can only be merged (`merging.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any
from weakref import ref

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.hooks import RemovableHandle

from webui.engine.adapters.fitting import Share, Shares
from webui.engine.adapters.kinds import factors, is_product
from webui.engine.adapters.places import Piece
from webui.engine.adapters.spelling import DOWN, UP
from webui.engine.adapters.weights import Module
from webui.engine.layouts.base import take


class RowsMixed(Exception):
    """A layer was given something else than one entry for each row, so that nothing can be added to some rows only."""


@dataclass(frozen=True, slots=True)
class _Product:
    """Of one layer: down (r, in) and up (out, r), of a convolution with its kernel; the outputs that up is for."""

    down: Tensor
    up: Tensor
    rows: tuple[int, int] | None

    def of(self, x: Tensor, layer: nn.Module) -> Tensor:
        """What is added to the layer's answer for x."""
        if isinstance(layer, nn.Conv2d):
            assert not isinstance(layer.padding, str)
            return F.conv2d(F.conv2d(x, self.down, None, layer.stride, layer.padding, layer.dilation), self.up)
        return F.linear(F.linear(x, self.down), self.up)

    def outputs(self, answer: Tensor, layer: nn.Module) -> Tensor:
        """Those of an answer that this is added to; a view."""
        if self.rows is None:
            return answer
        first, last = self.rows
        return answer[:, first:last] if isinstance(layer, nn.Conv2d) else answer[..., first:last]


_Run = tuple[int, int, Hashable]
"""Rows from the first to before the last, and the key of their adapters."""


def fits_beside(shares: Shares | None) -> bool:
    """Whether all that a set adds to a network can be computed beside it."""
    if shares is None:
        return True
    return all(
        kind == "weight" and all(_fits(shares.network, module, piece) for piece in place.pieces)
        for share in shares.shares
        for _, module, place, kind in share.modules
    )


class Beside:
    """The layers of one network that answer with adapters beside them. Used by one thread, in inference mode."""

    def __init__(self, network: nn.Module, device: torch.device) -> None:
        """device: where it computes, wherever its weights wait."""
        self._network, self._device = ref(network), device
        self._handles: dict[str, RemovableHandle] = {}
        self._sets: dict[Hashable, dict[str, list[_Product]]] = {}
        self._runs: tuple[_Run, ...] = ()
        self._count = 0

    @contextmanager
    def rows(self, shares: Sequence[Shares | None]) -> Iterator[None]:
        """A scope for one forward pass, with the adapters of each of its rows. It raises RowsMixed where that fails."""
        network = self._network()
        assert network is not None
        for one in shares:
            if one is not None and one.key not in self._sets:
                self._sets[one.key] = _products(network, one, self._device)
                self._watch(network, self._sets[one.key])
        self._runs, self._count = tuple(_runs(shares)), len(shares)
        try:
            yield
        finally:
            self._runs = ()

    def keep(self, keys: Collection[Hashable]) -> None:
        """Forget all sets but these."""
        for key in [key for key in self._sets if key not in keys]:
            del self._sets[key]

    def remove(self) -> None:
        """Let the network be as it was."""
        for handle in self._handles.values():
            handle.remove()
        self._handles.clear()
        self._sets.clear()

    def _watch(self, network: nn.Module, names: Collection[str]) -> None:
        for name in names:
            if name not in self._handles:
                self._handles[name] = network.get_submodule(name).register_forward_hook(self._adder(name))

    def _adder(self, name: str) -> Callable[[nn.Module, tuple[Any, ...], Tensor], None]:
        def add(layer: nn.Module, inputs: tuple[Any, ...], answer: Tensor) -> None:
            for first, last, key in self._runs:
                products = self._sets[key].get(name, ())
                x = inputs[0]
                if products and (len(x) != self._count or len(answer) != self._count):
                    raise RowsMixed(f"{name} was given {len(x)} rows of {self._count}.")
                for product in products:
                    product.outputs(answer[first:last], layer).add_(product.of(x[first:last], layer))

        return add


def _runs(shares: Sequence[Shares | None]) -> Iterator[_Run]:
    first = 0
    for key, run in groupby(one.key if one is not None else () for one in shares):
        last = first + len(list(run))
        if key != ():
            yield first, last, key
        first = last


def _products(network: nn.Module, shares: Shares, device: torch.device) -> dict[str, list[_Product]]:
    """By the layer's name; what is for the same outputs is one product of the matrices side by side."""
    found: dict[str, dict[tuple[int, int] | None, list[tuple[Tensor, Tensor]]]] = {}
    for share in shares.shares:
        for _, module, place, _ in share.modules:
            for piece in place.pieces:
                layer = piece.parameter.rpartition(".")[0]
                found.setdefault(layer, {}).setdefault(piece.rows, []).append(_pair(share, module, piece))
    return {
        name: [_laid_out(network.get_submodule(name), rows, pairs, device) for rows, pairs in by_rows.items()]
        for name, by_rows in found.items()
    }


def _laid_out(
    layer: nn.Module, rows: tuple[int, int] | None, pairs: Sequence[tuple[Tensor, Tensor]], device: torch.device
) -> _Product:
    up, down = torch.cat([up for up, _ in pairs], 1), torch.cat([down for _, down in pairs])
    if isinstance(layer, nn.Conv2d):
        up, down = up[:, :, None, None], down.view(len(down), layer.in_channels, *layer.kernel_size)
    weight = layer.weight
    assert isinstance(weight, Tensor)
    return _Product(down.to(device, weight.dtype), up.to(device, weight.dtype), rows)


def _fits(network: nn.Module, module: Module, piece: Piece) -> bool:
    """Whether this is a product of two matrices, of the shapes that the layer has."""
    name, _, kind = piece.parameter.rpartition(".")
    source, tensors = piece.source, module.tensors
    if kind != "weight" or source.transposed or source.more or not is_product(module.kind, tensors):
        return False
    if not _is_plain(network.get_submodule(name)):
        return False
    up, down, weight = tensors[UP], tensors[DOWN], network.get_parameter(piece.parameter)
    first, end, count = source.chunk or (0, 1, 1)
    out = weight.shape[0] if piece.rows is None else piece.rows[1] - piece.rows[0]
    return (
        up.shape[1:].numel() == down.shape[0]
        and up.shape[0] // count * (end - first) == out
        and down.shape[1:].numel() == weight.shape[1:].numel()
    )


def _pair(share: Share, module: Module, piece: Piece) -> tuple[Tensor, Tensor]:
    """(up with the multiplier in it, down) of what fits, in float32."""
    pair = factors(module.kind, module.tensors, share.ranks)
    assert pair is not None
    return take(pair[0], replace(piece.source, pointwise=False)) * share.multiplier, pair[1]


def _is_plain(layer: nn.Module) -> bool:
    if isinstance(layer, nn.Conv2d):
        return layer.groups == 1 and layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
    return isinstance(layer, nn.Linear)
