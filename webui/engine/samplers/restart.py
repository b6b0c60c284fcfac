"""Restart: Heun's method that goes back up to more noise and comes down again."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from webui.engine.samplers.base import SamplerContext, Sampling
from webui.engine.samplers.heun import heun_step
from webui.engine.samplers.steps import renewal, renewed
from webui.engine.schedules import karras_levels

LOW, HIGH = 0.1, 2.0
"""The levels between which A1111 restarts; each the nearest that the schedule has."""
FEWEST_STEPS = 20


def restart(x: Tensor, context: SamplerContext) -> Sampling:
    """Restart sampling (Xu et al. 2023, arXiv 2306.14878) with A1111's choice of where and how often.

    Of 20 steps or more 9 are spent on coming down once more from 2 to 0.1, from 36 on a half on twice. Levels in
    between are Karras's; below 20 steps it is Heun's method on the levels given.
    """
    at = context.sigmas[0]
    for step, (sigma, following) in enumerate(_ways(context.sigmas)):
        if sigma > at:
            keep, up = renewal(at, sigma, flow=context.model.flow)
            x = renewed(x, keep, up, context.noise)
        x = yield from heun_step(x, sigma, following, step)
        at = following
    return x


def _ways(sigmas: Sequence[float]) -> list[tuple[float, float]]:
    """(from, to) of each step: as many as the levels have, the restarts' included."""
    steps = len(sigmas) - 1
    if steps < FEWEST_STEPS:
        return list(pairwise(sigmas))
    times = 2 if steps >= 36 else 1
    length = steps // 4 if steps >= 36 else 9
    ends_clean = sigmas[-1] == 0.0
    lowest = sigmas[-2] if ends_clean else sigmas[-1]
    first = steps - length * times
    levels = karras_levels(sigmas[0], lowest, first + (not ends_clean)) + [0.0] * ends_clean
    low, high = _nearest(levels[: first + 1 - ends_clean], LOW), _nearest(levels, HIGH)
    ways = list(pairwise(levels))
    if low <= high:
        return ways
    again = karras_levels(levels[high], levels[low], length + 1)
    return ways[:low] + list(pairwise(again)) * times + ways[low:]


def _nearest(levels: Sequence[float], level: float) -> int:
    """The place of the level that is nearest."""
    return min(range(len(levels)), key=lambda place: abs(levels[place] - level))
