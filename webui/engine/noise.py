"""The noise of a batch: each picture draws from generators of its own, so that it never depends on its neighbours."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

TOP_LEVEL = 13
"""Brownian motions run from noise level 0 to 2^13; models trained to pure noise reach about 4518."""
DEEPEST = 27
"""Halvings of that range at most: finer than any model's sigma_min."""
LEAF_SHARE = 1 / 16
"""An interval this narrow against its lower end is halved no more; points in it are drawn as they are asked for."""

Draw = NDArray[np.float32]


class LaneNoise:
    """A `Noise` (samplers/base.py): one generator and one Brownian motion for each picture of a lane.

    All noise is made on the CPU and then moved, so a seed means the same picture on every device.
    """

    def __init__(self, seeds: Sequence[int], shape: Sequence[int], device: torch.device | str = "cpu") -> None:
        """seeds: one for each picture, 0 to 2^64 - 1. shape: of one picture's latent, (channels, height/8, width/8)."""
        self._shape = tuple(shape)
        self._device = torch.device(device)
        self._generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
        self._motions = [BrownianMotion(seed, self._shape) for seed in seeds]

    def normal(self) -> Tensor:
        """Unit noise (batch, channels, height/8, width/8) float32: the next draw of each picture's generator.

        The first draw is the picture's start, and equals `torch.randn(shape)` after `torch.manual_seed(seed)`.
        """
        return self._gather(lambda out, index: torch.randn(self._shape, generator=self._generators[index], out=out))

    def brownian(self, sigma: float, sigma_next: float) -> Tensor:
        """Unit-variance increment, (batch, channels, height/8, width/8) float32, of each picture's Brownian motion."""
        return self._gather(
            lambda out, index: out.copy_(torch.from_numpy(self._motions[index].increment(sigma, sigma_next)))
        )

    def _gather(self, fill: Callable[[Tensor, int], Tensor]) -> Tensor:
        # From pinned memory the copy to a GPU is queued; from other memory it would wait for the device.
        pinned = self._device.type == "cuda"
        batch = torch.empty((len(self._generators), *self._shape), dtype=torch.float32, pin_memory=pinned)
        for index in range(len(self._generators)):
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
