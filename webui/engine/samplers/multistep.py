"""Multistep methods on remembered slopes: LMS, PLMS, IPNDM, IPNDM_V and DEIS; one ask a step."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np
from torch import Tensor

from webui.engine.samplers.base import Ask, SamplerContext, Sampling
from webui.engine.samplers.noise_ratio import in_noise_ratio, in_own_scale
from webui.engine.samplers.steps import slope

Weights = Callable[[Sequence[float], float], "list[float]"]
"""(levels of the remembered slopes, newest first; the next level) -> each slope's weight, noise levels as unit."""

ADAMS_BASHFORTH = ((1.0,), (3 / 2, -1 / 2), (23 / 12, -16 / 12, 5 / 12), (55 / 24, -59 / 24, 37 / 24, -9 / 24))
"""For steps of one length, by how many slopes are known."""

# DEIS's time is that of a variance-preserving process from sigma 0.002 at time 0.001 to sigma 80 at time 1.
_DEIS_FIRST_TIME, _DEIS_LOW, _DEIS_HIGH = 1e-3, 0.002, 80.0


def lms(x: Tensor, context: SamplerContext) -> Sampling:
    """LMS: a polynomial through the last four slopes over sigma, integrated exactly (Katherine Crowson's sampler)."""
    return _remembering(x, context, lambda levels, after: lagrange(levels, after, lambda sigma: sigma), 4)


def ipndm(x: Tensor, context: SamplerContext) -> Sampling:
    """Improved PNDM (Zhang and Chen 2023, arXiv 2204.13902): Adams-Bashforth as if all steps had one length."""
    return _remembering(x, context, adams_bashforth, 4, clean_end=True)


def ipndm_v(x: Tensor, context: SamplerContext) -> Sampling:
    """IPNDM with weights for steps of unequal lengths, as Forge has them (see `uneven`)."""
    return _remembering(x, context, uneven, 4, clean_end=True)


@in_noise_ratio
def deis(x: Tensor, context: SamplerContext) -> Sampling:
    """DEIS, time form of third order (Zhang and Chen 2023, arXiv 2204.13902): a polynomial through the last three
    slopes over the time of a variance-preserving process, integrated over the noise level.
    """
    return _remembering(x, context, lambda levels, after: lagrange(levels, after, _deis_time), 3, clean_end=True)


@in_own_scale
@in_noise_ratio
def plms(x: Tensor, context: SamplerContext) -> Sampling:
    """PLMS (Liu et al. 2022, arXiv 2202.09778): Adams-Bashforth on the noise; the first step asks twice, as Heun's.

    On the model's own timesteps; the final latent is in its own scale, as DDIM's.
    """
    sigmas = context.sigmas
    answer = yield Ask(x, sigmas[0], 0)
    first = slope(x, answer.denoised, sigmas[0])
    length = sigmas[1] - sigmas[0]
    mean = first
    if sigmas[1] > 0.0:
        guess = x + first * length
        answer = yield Ask(guess, sigmas[1], 0)
        mean = (first + slope(guess, answer.denoised, sigmas[1])) / 2
    x = x + mean * length
    return (yield from _remembering(x, context, adams_bashforth, 4, known=[(sigmas[0], first)]))


def _remembering(
    x: Tensor,
    context: SamplerContext,
    weights: Weights,
    order: int,
    *,
    clean_end: bool = False,
    known: Sequence[tuple[float, Tensor]] = (),
) -> Sampling:
    """Steps along the weighted sum of the last `order` slopes.

    clean_end: a step to 0 takes the answer as it is. known: slopes from steps that are already made.
    """
    slopes = list(known)
    for step, (sigma, following) in enumerate(pairwise(context.sigmas)):
        if step < len(known):
            continue
        answer = yield Ask(x, sigma, step)
        slopes = [(sigma, slope(x, answer.denoised, sigma)), *slopes][:order]
        if clean_end and following == 0.0:
            x = answer.denoised
            continue
        for share, (_, remembered) in zip(weights([level for level, _ in slopes], following), slopes, strict=True):
            x = x + remembered * share
    return x


def adams_bashforth(levels: Sequence[float], after: float) -> list[float]:
    """Weights for steps of one length, times the length of this step."""
    return [weight * (after - levels[0]) for weight in ADAMS_BASHFORTH[len(levels) - 1]]


def lagrange(levels: Sequence[float], after: float, time: Callable[[float], float]) -> list[float]:
    """The integral over the noise level, from levels[0] to `after`, of each Lagrange polynomial in time(level).

    By Gauss and Legendre's rule with 24 points, which is exact where time is the level itself.
    """
    times = [time(level) for level in levels]
    return [
        sum(
            weight * math.prod(_ratio(time(level), times, one, other) for other in range(len(times)) if other != one)
            for level, weight in _quadrature(levels[0], after)
        )
        for one in range(len(times))
    ]


def _ratio(at: float, times: Sequence[float], one: int, other: int) -> float:
    return (at - times[other]) / (times[one] - times[other])


def _quadrature(start: float, end: float) -> Iterator[tuple[float, float]]:
    """(point, weight) for an integral from start to end."""
    points, weights = np.polynomial.legendre.leggauss(24)
    for point, weight in zip(points.tolist(), weights.tolist(), strict=True):
        yield (start + end) / 2 + (end - start) / 2 * point, weight * (end - start) / 2


def _deis_time(sigma: float) -> float:
    """The time at which the process that DEIS counts in has this noise level."""
    low, high = math.log1p(_DEIS_LOW**2), math.log1p(_DEIS_HIGH**2)
    rise = 2.0 * (low / _DEIS_FIRST_TIME - high) / (_DEIS_FIRST_TIME - 1.0)
    base = high - rise / 2.0
    return (math.sqrt(base * base + 2.0 * rise * math.log1p(sigma * sigma)) - base) / rise


def uneven(levels: Sequence[float], after: float) -> list[float]:
    """IPNDM_V's weights for steps of unequal lengths.

    Of one and two slopes they are the variable-step method's, of three on even steps too. For more they are what the
    diff-sampler toolbox and Forge compute, which is not that method (LMS is): pictures made there come out the same.
    """
    h = after - levels[0]
    back = [newer - older for newer, older in pairwise(levels)]
    total = [1.0, 0.0, 0.0, 0.0]
    if back:
        r = h / back[0] / 2
        _add(total, r, (1.0, -1.0))
    if len(back) > 1:
        a, b = back[0], back[1]
        q = a / b
        _add(total, (1 - h * h / (3 * a * (a + b))) / 2, (1.0, -1.0 - q, q))
    if len(back) > 2:
        c = back[2]
        p = a * (a + b) / (b * (b + c))
        ahead = (1 - h / (3 * (h + a))) / 2 + (1 - h / (2 * (h + a))) * h / (6 * (h + a + b))
        scale = h * (h + a) * (h + a + b) / (a * (a + b) * (a + b + c))
        _add(total, ahead * scale, (1.0, -1.0 - q - p, q + p * (1 + b / c), -p * q))
    return [weight * h for weight in total[: len(levels)]]


def _add(total: list[float], size: float, shares: Sequence[float]) -> None:
    for place, share in enumerate(shares):
        total[place] += size * share
