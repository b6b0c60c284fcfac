"""How fast each sampler that adds no noise comes to the exact path of a known distribution, and a plot of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

import torch
from torch import Tensor

from webui.core.registry import Sampler
from webui.engine.model_schedule import DiscreteSchedule
from webui.engine.noise import LaneNoise
from webui.engine.samplers.base import Answer, SamplerContext
from webui.plugins.resolve import resolve

TOP, END = 10.0, 0.05
STEPS = (10, 20, 40, 80, 160)
FLOOR = 3e-6
"""Errors below this are those of single precision."""

# A mixture of three normal distributions of one dimension: shares, means, spreads.
_SHARES, _MEANS, _SPREADS = (0.5, 0.3, 0.2), (1.5, -1.0, 0.2), (0.4, 0.3, 0.6)
_REFERENCE_STEPS = 4000


@dataclass(frozen=True, slots=True)
class Measured:
    """Of one sampler: mean error and model calls for each of `STEPS`."""

    name: str
    errors: Sequence[float]
    calls: Sequence[int]

    @property
    def order(self) -> float:
        """By which power of the step's length the error falls, between the last two counts that show it."""
        shown = [place for place, error in enumerate(self.errors) if error > FLOOR]
        if len(shown) < 2:
            return math.nan
        before, last = shown[-2:]
        return math.log(self.errors[before] / self.errors[last]) / math.log(STEPS[last] / STEPS[before])


def denoise(x: Tensor, sigma: float) -> Tensor:
    """The mean of the clean value given the noisy one."""
    weights, centres = [], []
    for share, mean, spread in zip(_SHARES, _MEANS, _SPREADS, strict=True):
        variance = spread * spread + sigma * sigma
        weights.append(math.log(share) - 0.5 * math.log(variance) - (x - mean) ** 2 / (2 * variance))
        centres.append(mean + spread * spread / variance * (x - mean))
    shares = torch.softmax(torch.stack(weights), 0)
    return (shares * torch.stack(centres)).sum(0)


def measure(rows: Sequence[Sampler], counts: Sequence[int] = STEPS) -> list[Measured]:
    """Of those of the rows that draw no noise; of the others how their pictures spread is what tests look at.

    counts: of steps. The order is that of `STEPS`, and plots are.
    """
    start = LaneNoise((5,), (1, 16, 16)).normal() * TOP
    exact = _reference(start.double())
    found = []
    for row in rows:
        try:
            runs = [_walk(row, start, steps) for steps in counts]
        except _DrawsNoise:
            continue
        errors = [(latent.double() - exact).abs().mean().item() for latent, _ in runs]
        found.append(Measured(row.name, errors, [calls for _, calls in runs]))
    return found


def _levels(steps: int) -> list[float]:
    return [TOP * (END / TOP) ** (place / steps) for place in range(steps + 1)]


def _reference(x: Tensor) -> Tensor:
    """Heun's method in double precision with very many steps."""
    levels = _levels(_REFERENCE_STEPS)
    for sigma, following in pairwise(levels):
        slope = (x - denoise(x, sigma)) / sigma
        guess = x + slope * (following - sigma)
        x = x + (slope + (guess - denoise(guess, following)) / following) * ((following - sigma) / 2)
    return x


class _DrawsNoise(Exception):
    pass


class _Silence:
    def normal(self) -> Tensor:
        raise _DrawsNoise

    def brownian(self, sigma: float, sigma_next: float) -> Tensor:
        raise _DrawsNoise


def _walk(row: Sampler, x: Tensor, steps: int) -> tuple[Tensor, int]:
    levels = _levels(steps)
    context = SamplerContext(levels, steps, _Silence(), DiscreteSchedule.scaled_linear())
    sampling = resolve(row.function)(x.clone(), context)
    ask, calls = next(sampling), 1
    while True:
        try:
            ask = sampling.send(Answer(denoise(ask.x, ask.sigma)))
            calls += 1
        except StopIteration as end:
            latent: Tensor = end.value
            return latent * (math.hypot(1.0, END) if row.uses_timesteps else 1.0), calls


def plot(measured: Sequence[Measured]) -> str:
    """An SVG: error over model calls, both logarithmic, a line for each sampler."""
    width, height, left, bottom = 900, 560, 70, 50
    calls = [count for one in measured for count in one.calls]
    low, high = math.log10(min(calls)), math.log10(max(calls))
    floor, top = math.log10(FLOOR), 0.5

    def place(count: float, error: float) -> tuple[float, float]:
        across = (math.log10(count) - low) / (high - low)
        up = (math.log10(max(error, FLOOR)) - floor) / (top - floor)
        return left + across * 560, height - bottom - up * (height - bottom - 20)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"',
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        *_axes(place, min(calls), max(calls), height - bottom),
    ]
    for index, one in enumerate(measured):
        colour = f"hsl({index * 137 % 360},70%,{35 + index % 3 * 10}%)"
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(place, one.calls, one.errors))
        line = 30 + index * 16
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        parts.append(f'<rect x="655" y="{line - 8}" width="14" height="4" fill="{colour}"/>')
        parts.append(f'<text x="675" y="{line}">{escape(one.name)}, order {one.order:.1f}</text>')
    return "\n".join([*parts, "</svg>\n"])


def _axes(place: Callable[[float, float], tuple[float, float]], least: int, most: int, base: float) -> list[str]:
    parts = []
    for exponent in range(-5, 1):
        x, y = place(least, 10.0**exponent)
        parts.append(f'<line x1="{x}" y1="{y:.1f}" x2="{x + 560}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{x - 8}" y="{y + 4:.1f}" text-anchor="end">1e{exponent}</text>')
    for count in (10, 20, 40, 80, 160, 320):
        if least <= count <= most:
            x, _ = place(count, 1.0)
            parts.append(f'<text x="{x:.1f}" y="{base + 18}" text-anchor="middle">{count}</text>')
    parts.append(f'<text x="350" y="{base + 38}" text-anchor="middle">model calls</text>')
    parts.append(
        f'<text x="18" y="{base / 2}" transform="rotate(-90 18 {base / 2})" text-anchor="middle">mean error</text>'
    )
    return parts
