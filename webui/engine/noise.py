"""The noise of a batch: each picture draws from generators of its own, so that it never depends on its neighbours."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from webui.core.noise_sources import CPU
from webui.engine.generators import NoiseGenerator, generator_of, place_of
from webui.engine.start_noise import paste_centre, slerp

TOP_LEVEL = 13
"""Brownian motions run from noise level 0 to 2^13; models trained to pure noise reach about 4518."""
DEEPEST = 27
"""Halvings of that range at most: finer than any model's sigma_min."""
LEAF_SHARE = 1 / 16
"""An interval this narrow against its lower end is halved no more; points in it are drawn as they are asked for."""

Draw = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Drawing:
    """How a lane's noise is drawn, besides the seeds of its pictures.

    source: one of core/noise_sources.py. subseeds: one for each picture, used where `strength` (0 to 1) is above 0.
    resized_from: rows and columns of the latents that the seeds' noise is taken of; 0, 0 for the lane's own.
    delta: added to the seed for the noise of the steps (A1111's ENSD); 0 goes on where the start has ended.
    """

    source: str = CPU
    subseeds: tuple[int, ...] = ()
    strength: float = 0.0
    resized_from: tuple[int, int] = (0, 0)
    delta: int = 0


class LaneNoise:
    """A `Noise` (samplers/base.py): one generator and one Brownian motion for each picture of a lane.

    Whatever the source, the motions are made on the CPU and keyed by the seed alone: a variation keeps its seed's.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        shape: Sequence[int],
        device: torch.device | str = "cpu",
        drawing: Drawing | None = None,
    ) -> None:
        """seeds: one for each picture, 0 to 2^64 - 1. shape: of one picture's latent, (channels, height/8, width/8)."""
        self._seeds = tuple(seeds)
        self._shape = tuple(shape)
        self._device = torch.device(device)
        self._drawing = drawing if drawing is not None else Drawing()
        self._generators = [self._begin(seed) for seed in seeds]
        self._motions = [BrownianMotion(seed, self._shape) for seed in seeds]

    def start(self) -> Tensor:
        """Unit noise to begin with, (batch, channels, height/8, width/8) float32; to be called before `normal`.

        Where nothing is drawn specially it is the first draw, and with the source CPU equals `torch.randn(shape)` after
        `torch.manual_seed(seed)`.
        """
        noise = self._gather(place_of(self._drawing.source, self._device), self._start_of)
        if self._drawing.delta:
            self._generators = [self._begin(seed + self._drawing.delta) for seed in self._seeds]
        return noise

    def normal(self) -> Tensor:
        """Unit noise (batch, channels, height/8, width/8) float32: the next draw of each picture's generator."""
        place = place_of(self._drawing.source, self._device)
        return self._gather(place, lambda out, index: self._generators[index].fill(out))

    def brownian(self, sigma: float, sigma_next: float) -> Tensor:
        """Unit-variance increment, (batch, channels, height/8, width/8) float32, of each picture's Brownian motion."""
        return self._gather(
            torch.device("cpu"),
            lambda out, index: out.copy_(torch.from_numpy(self._motions[index].increment(sigma, sigma_next))),
        )

    def _begin(self, seed: int) -> NoiseGenerator:
        return generator_of(self._drawing.source, seed, self._device)

    def _start_of(self, out: Tensor, index: int) -> None:
        drawing, own = self._drawing, self._generators[index]
        old = (self._shape[0], *drawing.resized_from) if all(drawing.resized_from) else self._shape
        if old == self._shape:
            own.fill(out)
            noise = out
        else:
            noise = self._first(self._seeds[index], old, out.device)
        if drawing.strength:
            noise = slerp(drawing.strength, noise, self._first(drawing.subseeds[index], old, out.device))
        if old != self._shape:
            own.fill(out)
            paste_centre(out, noise)
        elif noise is not out:
            out.copy_(noise)

    def _first(self, seed: int, shape: tuple[int, ...], place: torch.device) -> Tensor:
        """The first draw of a seed in this shape."""
        noise = torch.empty(shape, dtype=torch.float32, device=place)
        self._begin(seed).fill(noise)
        return noise

    def _gather(self, place: torch.device, fill: Callable[[Tensor, int], object]) -> Tensor:
        # From pinned memory the copy to a GPU is queued; from other memory it would wait for the device.
        pinned = self._device.type == "cuda" and place.type == "cpu"
        shape = (len(self._seeds), *self._shape)
        batch = torch.empty(shape, dtype=torch.float32, device=place, pin_memory=pinned)
        for index in range(len(self._seeds)):
            fill(batch[index], index)
        return batch.to(self._device, non_blocking=pinned)


class BrownianMotion:
    """One picture's Brownian motion W over the noise level, W(0) = 0, variance of W(a) - W(b) = |a - b|.

    The range is halved again and again, and the value at each middle is drawn from a generator keyed by seed and
    node given its two ends: so the path is the same whichever levels are asked for, and pictures of 20 and of 30
    steps follow one path. Inside a narrow enough interval (a leaf) points are drawn between their neighbours in the
    order they are asked for, and kept. Every value comes from the exact conditional distribution.
    """

    def __init__(self, seed: int, shape: tuple[int, ...]) -> None:
        """seed: 0 to 2^64 - 1. shape: of each value."""
        self._seed = seed
        self._shape = shape
        self._middles: dict[int, Draw] = {}
        self._leaves: dict[int, tuple[list[float], list[Draw]]] = {}

    def increment(self, sigma: float, sigma_next: float) -> Draw:
        """(W(sigma) - W(sigma_next)) / sqrt(|sigma - sigma_next|): unit variance. Levels from 0 to 8192, not equal."""
        top = 2.0**TOP_LEVEL
        if sigma == sigma_next or not (0.0 <= sigma <= top and 0.0 <= sigma_next <= top):
            raise ValueError(f"No Brownian increment between the noise levels {sigma} and {sigma_next}.")
        difference = self._value(sigma) - self._value(sigma_next)
        return np.asarray(difference / math.sqrt(abs(sigma - sigma_next)), dtype=np.float32)

    def _value(self, level: float) -> Draw:
        low, high = 0.0, 2.0**TOP_LEVEL
        at_low = np.zeros(self._shape, dtype=np.float32)
        at_high = self._draw(0, 0) * np.float32(math.sqrt(high))
        node, path = 1, {}
        for _ in range(DEEPEST):
            if high - low <= low * LEAF_SHARE:
                break
            middle = (low + high) / 2
            value = self._middles.get(node)
            if value is None:
                value = self._between(middle, low, at_low, high, at_high, self._draw(node, 0))
            path[node] = value
            if level < middle:
                node, high, at_high = 2 * node, middle, value
            else:
                node, low, at_low = 2 * node + 1, middle, value
        # Sampling moves downwards, so the last path is what the next call shares; the rest can be drawn again.
        self._middles = path
        return self._in_leaf(level, node, low, at_low, high, at_high)

    def _in_leaf(self, level: float, node: int, low: float, at_low: Draw, high: float, at_high: Draw) -> Draw:
        levels, values = self._leaves.setdefault(node, ([low, high], [at_low, at_high]))
        place = bisect_left(levels, level)
        if levels[place] != level:
            value = self._between(
                level,
                levels[place - 1],
                values[place - 1],
                levels[place],
                values[place],
                self._draw(node, len(levels) - 1),
            )
            levels.insert(place, level)
            values.insert(place, value)
        return values[place]

    @staticmethod
    def _between(level: float, low: float, at_low: Draw, high: float, at_high: Draw, unit: Draw) -> Draw:
        """The motion at `level` given its values at two levels round it: a Brownian bridge."""
        share = (level - low) / (high - low)
        spread = math.sqrt((level - low) * (high - level) / (high - low))
        bridge = at_low * np.float32(1.0 - share) + at_high * np.float32(share) + unit * np.float32(spread)
        return np.asarray(bridge, dtype=np.float32)

    def _draw(self, node: int, number: int) -> Draw:
        """Unit noise that belongs to a node and a number in it (0: its middle) and to nothing else."""
        key = np.array([self._seed, node], dtype=np.uint64)
        counter = np.array([0, 0, 0, number], dtype=np.uint64)
        generator = np.random.Generator(np.random.Philox(key=key, counter=counter))
        return generator.standard_normal(self._shape, dtype=np.float32)
