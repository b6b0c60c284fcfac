"""DPM-Solver with its own control of steps: fast spends a number of calls, adaptive keeps an error small."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor

from webui.engine.samplers.base import Answer, Ask, Place, SamplerContext, Sampling
from webui.engine.samplers.noise_ratio import in_noise_ratio
from webui.engine.samplers.steps import ancestral, renewed, slope

# Crowson's constants of DPM adaptive.
RELATIVE, ABSOLUTE = 0.05, 0.0078
FIRST_STEP = 0.05
"""In log sigma."""
ACCEPTS_FROM = 0.81
THIRDS = (1 / 3, 2 / 3)
"""Where in a step, in log sigma, the solver of third order asks again."""
LAST_STEP = 1e-5

Guesses = Generator[Ask, Answer, "tuple[Tensor, Tensor]"]


@in_noise_ratio
def dpm_fast(x: Tensor, context: SamplerContext) -> Sampling:
    """DPM-Solver-fast (Lu et al. 2022, arXiv 2206.00927, appendix D.4): as many calls as steps are asked for.

    They are spread over the levels: three a step, at the end fewer. Options: eta (1, as A1111 runs it), s_noise (1).
    """
    eta, s_noise = context.number("eta", 1.0), context.number("s_noise", 1.0)
    orders = spread(context.steps, len(context.sigmas) - 1)
    for step, (sigma, following) in enumerate(pairwise(context.sigmas)):
        if following == 0.0:
            x = (yield Ask(x, sigma, step)).denoised
            continue
        down, up = _descent(sigma, following, context.sigmas[-1], eta)
        _, guess = yield from _solve(x, sigma, down, orders[step], step)
        x = renewed(guess, 1.0, up, context.noise, s_noise)
    return x


def spread(calls: int, steps: int) -> list[int]:
    """How many calls each step makes, 1 to 3: the first three, and what is left of `calls` for the last ones."""
    orders = []
    for later in reversed(range(steps)):
        orders.append(max(1, min(3, calls - later)))
        calls -= orders[-1]
    return orders


@in_noise_ratio
def dpm_adaptive(x: Tensor, context: SamplerContext) -> Sampling:
    """DPM-Solver-23 with adaptive steps (Lu et al. 2022, appendix C): three calls for each step that is tried.

    Of the levels only the ends count; progress is told as if they were walked. Each picture of the batch chooses its
    own steps, so they are made one after the other. Option: eta (1, as A1111 runs it).
    """
    draws = _Draws(context)
    finished = []
    for index in range(x.shape[0]):
        picture = _Picture(index, x.shape[0], context, draws)
        finished.append((yield from picture.walk(x[index : index + 1])))
    return torch.cat(finished)


class _Draws:
    """The batch's noise, by the number of the draw, so that a picture gets what it would get alone."""

    def __init__(self, context: SamplerContext) -> None:
        self._noise = context.noise
        self._drawn: list[Tensor] = []

    def get(self, number: int, index: int) -> Tensor:
        while len(self._drawn) <= number:
            self._drawn.append(self._noise.normal())
        return self._drawn[number][index : index + 1]


@dataclass
class _Picture:
    """One picture of the batch on its way down."""

    index: int
    count: int
    context: SamplerContext
    draws: _Draws
    number: int = 0
    levels: Sequence[float] = field(init=False)

    def __post_init__(self) -> None:
        self.levels = [sigma for sigma in self.context.sigmas if sigma > 0.0]

    def walk(self, x: Tensor) -> Sampling:
        """From the first level to the last, and to the answer there where the levels end at 0."""
        sigma, end = self.levels[0], self.levels[-1]
        eta = self.context.number("eta", 1.0)
        before, h = x, FIRST_STEP
        while math.log(sigma / end) > LAST_STEP:
            following = max(end, sigma * math.exp(-h))
            down, up = _descent(sigma, following, end, eta)
            low, high = yield from _solve(x, sigma, down, 3, *self._where(sigma))
            allowed = torch.clamp(RELATIVE * torch.maximum(low.abs(), before.abs()), min=ABSOLUTE)
            # The one place where a sampler waits for the device: what comes next depends on it.
            error = float(torch.linalg.vector_norm((low - high) / allowed)) / math.sqrt(x.numel())
            factor = _factor(error, 1.5 if eta else 3.0)
            if factor >= ACCEPTS_FROM:
                before, x, sigma = low, high, following
                if up > 0.0:
                    x = x + self.draws.get(self.number, self.index) * up
                    self.number += 1
            h *= factor
        if self.context.sigmas[-1] == 0.0:
            x = (yield Ask(x, sigma, *self._where(sigma))).denoised
        return x

    def _where(self, sigma: float) -> tuple[int, Place]:
        """How many of the lane's steps are done, and of this picture's: of its own those of the levels above."""
        steps = len(self.context.sigmas) - 1
        passed = bisect_left(self.levels, -sigma * (1.0 + LAST_STEP), key=lambda level: -level)
        own = min(passed, steps - 1)
        return (self.index * steps + own) // self.count, Place(self.index, self.count, own)


def _factor(error: float, order: float) -> float:
    """By how much the next step is longer than the last; below `ACCEPTS_FROM` the last is tried again.

    Numbers that are none are let through, for decoding to complain about; no shorter step would mend them.
    """
    if not math.isfinite(error):
        return 1.0
    return 1.0 + math.atan((1.0 / (error + 1e-8)) ** (1.0 / order) - 1.0)


def _descent(sigma: float, following: float, end: float, eta: float) -> tuple[float, float]:
    """(down, up) of an ancestral step that does not go below the last level."""
    down = max(ancestral(sigma, following, eta)[0], end)
    return down, math.sqrt(max(following * following - down * down, 0.0))


def _solve(x: Tensor, sigma: float, following: float, order: int, step: int, place: Place | None = None) -> Guesses:
    """(the latent at `following` by one order less, by this order): DPM-Solver-1, -2 and -3."""
    h = math.log(sigma / following)
    first = slope(x, (yield Ask(x, sigma, step, place)).denoised, sigma)
    straight = x + first * (following - sigma)
    if order == 1:
        return straight, straight
    share = 1 / 2 if order == 2 else THIRDS[0]
    middle = sigma * math.exp(-share * h)
    guess = x + first * (middle - sigma)
    bend = slope(guess, (yield Ask(guess, middle, step, place)).denoised, middle) - first
    second = straight - bend * (following * math.expm1(h) / (2 * share))
    if order == 2:
        return straight, second
    share = THIRDS[1]
    further = sigma * math.exp(-share * h)
    guess = x + first * (further - sigma) - bend * (further * share / THIRDS[0] * _over(share * h))
    bend = slope(guess, (yield Ask(guess, further, step, place)).denoised, further) - first
    return second, straight - bend * (following / share * _over(h))


def _over(h: float) -> float:
    """expm1(h) / h - 1."""
    return math.expm1(h) / h - 1.0
