"""Attention backends against plain products on the layers of SD1.5 and SDXL, and `auto` against the best single one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor

from tools.bench.results import Row, at_most, chance, ratio
from webui.engine.attention.backends import Backends
from webui.engine.attention.base import AUTO, Attend
from webui.engine.attention.choices import seconds_of
from webui.engine.config import Precision
from webui.engine.device import choose_device, choose_dtype, set_threads
from webui.plugins.loader import build_registry, load_plugins
from webui.plugins.resolve import resolve

BAR = 1.03
_PLAIN = "math"
# Of all layers, for each round that was asked for.
_PAIRS = 3
# Seconds of computing, for each round that was asked for, after which nothing quicker is expected.
_ENOUGH = 0.03
# What is so many times slower than plain products is measured once.
_SLOW = 3.0


@dataclass(frozen=True, slots=True)
class Layers:
    """Layers of one kind: how many a UNet has, and what each is asked for one picture with guidance."""

    count: int
    heads: int
    queries: int
    keys: int
    width: int


def _both(count: int, heads: int, tokens: int, width: int) -> tuple[Layers, Layers]:
    """Layers that look at the picture, and as many that look at the text."""
    return Layers(count, heads, tokens, tokens, width), Layers(count, heads, tokens, 77, width)


MODELS: Mapping[str, tuple[Layers, ...]] = MappingProxyType(
    {
        "SD1.5 at 512 x 512": (
            *_both(5, 8, 4096, 40),
            *_both(5, 8, 1024, 80),
            *_both(5, 8, 256, 160),
            *_both(1, 8, 64, 160),
        ),
        "SDXL at 1024 x 1024": (*_both(10, 10, 4096, 64), *_both(60, 20, 1024, 64)),
    }
)


def attention(
    rounds: int,
    device_name: str,
    precision: Precision,
    threads: int,
    models: Mapping[str, tuple[Layers, ...]] = MODELS,
) -> list[Row]:
    """Each backend's time for all layers of a model as a ratio of plain products', and auto's of the best one's.

    On the CPU each layer has two heads instead of all, which changes no ratio much and saves minutes.
    """
    set_threads(threads, 1)
    device = choose_device(device_name)
    dtype = choose_dtype(precision, device)
    backends = Backends(build_registry(load_plugins((), "worker")).attention, resolve)
    rows = []
    with torch.inference_mode():
        for model, layers in models.items():
            rows += _model(model, layers, _Side(backends, device, dtype, rounds))
    return rows


@dataclass(frozen=True, slots=True)
class _Side:
    """Where is measured, and by what."""

    backends: Backends
    device: torch.device
    dtype: torch.dtype
    rounds: int

    def inputs(self, layer: Layers) -> tuple[Tensor, Tensor, Tensor]:
        """Random queries, keys and values for a layer."""
        heads = 2 if self.device.type == "cpu" else 2 * layer.heads
        query = torch.randn(1, heads, layer.queries, layer.width, device=self.device, dtype=self.dtype)
        key, value = torch.randn(2, 1, heads, layer.keys, layer.width, device=self.device, dtype=self.dtype)
        return query, key, value

    def attend(self, name: str) -> Attend:
        """One that serves."""
        attend = self.backends.ready(name, self.device, self.dtype).attend
        assert attend is not None
        return attend


def _model(model: str, layers: tuple[Layers, ...], side: _Side) -> list[Row]:
    totals: dict[str, float] = {}
    missing: set[str] = set()
    for layer in layers:
        inputs = side.inputs(layer)
        times = _times(dict(side.backends.candidates(side.device, side.dtype, layer.width)), inputs, side.rounds)
        missing |= (totals.keys() or times.keys()) ^ times.keys()
        for name, seconds in times.items():
            totals[name] = totals.get(name, 0.0) + layer.count * seconds
        measured = side.backends.measured
        measured.best(*inputs[:2])
        while measured.measure_next():
            pass
    # Those that cannot do every layer of the model are not a choice for it.
    found = {name: seconds for name, seconds in totals.items() if name not in missing}
    rows = [
        Row(f"attention: {model}, {name} / {_PLAIN}", seconds / found[_PLAIN], "times", note=f"{seconds:.3f} s a step")
        for name, seconds in found.items()
        if name != _PLAIN
    ]
    return [*rows, _automatic(model, layers, side, min(found, key=lambda name: found[name]))]


def _automatic(model: str, layers: tuple[Layers, ...], side: _Side, best: str) -> Row:
    """auto against the best single one, side by side."""
    a, b = [], []
    inputs = [(layer, side.inputs(layer)) for layer in layers]
    automatic, single = side.attend(AUTO), side.attend(best)
    for turn in range(_PAIRS * side.rounds):
        ours = theirs = 0.0
        for layer, given in inputs:
            # Whoever came first would find the layer's numbers in no cache.
            single(*given)
            order = (automatic, single) if turn % 2 else (single, automatic)
            seconds = {attend: seconds_of(attend, *given) for attend in order}
            ours += layer.count * seconds[automatic]
            theirs += layer.count * seconds[single]
        a.append(ours)
        b.append(theirs)
    name, note = f"attention: {model}, {AUTO} / the best single one", f"{best}; {chance(a)}"
    return at_most(name, ratio(a, b), BAR, note=note, samples={AUTO: a, best: b})


def _times(backends: Mapping[str, Attend], inputs: tuple[Tensor, Tensor, Tensor], rounds: int) -> dict[str, float]:
    """Seconds of each at its quickest, in turns; those that refuse these shapes are left out."""
    times: dict[str, list[float]] = {}
    for name, attend in backends.items():
        try:
            times[name] = [seconds_of(attend, *inputs)]
        except (RuntimeError, NotImplementedError):
            continue
    slow = {name for name, (first,) in times.items() if first > _SLOW * times[_PLAIN][0]}
    spent = {name: 0.0 for name in times if name not in slow}
    turn = 0
    # Short computations need more rounds for their quickest to be found between what else the machine does.
    while turn < rounds or min(spent.values()) < _ENOUGH * rounds:
        # The order turns, so that no one always comes after the same.
        for name in list(spent) if turn % 2 else list(reversed(spent)):
            times[name].append(seconds_of(backends[name], *inputs))
            spent[name] += times[name][-1]
        turn += 1
    return {name: min(seconds[1:] or seconds) for name, seconds in times.items()}
