"""DPM fast and DPM adaptive against DPM-Solver-1, -2 and -3 and a loop that controls its steps, in float64."""

from __future__ import annotations

import math
from collections import deque
from itertools import pairwise

import pytest
import torch

from tests.engine.samplers.formulas.comparing import down_up


def solved(bench, x, sigma: float, following: float, order: int, r1: float | None = None):
    """One step of DPM-Solver (Lu et al. 2022, algorithms 1 and 2, and its first order), in the noise's own terms."""

    def noise(x, sigma):
        return (x - bench.denoise(x, sigma)) / sigma

    h = math.log(sigma / following)
    e = noise(x, sigma)
    straight = x - following * math.expm1(h) * e
    if order == 1:
        return straight
    r1 = r1 or (0.5 if order == 2 else 1 / 3)
    s1 = sigma * math.exp(-r1 * h)
    d1 = noise(x - s1 * math.expm1(r1 * h) * e, s1) - e
    if order == 2:
        return straight - following / (2 * r1) * math.expm1(h) * d1
    r2 = 2 / 3
    s2 = sigma * math.exp(-r2 * h)
    u = x - s2 * math.expm1(r2 * h) * e - s2 * r2 / r1 * (math.expm1(r2 * h) / (r2 * h) - 1) * d1
    d2 = noise(u, s2) - e
    return straight - following / r2 * (math.expm1(h) / h - 1) * d2


@pytest.mark.parametrize("calls, orders", [(7, [3, 3, 1]), (8, [3, 3, 2]), (9, [3, 3, 2, 1]), (12, [3, 3, 3, 2, 1])])
@pytest.mark.parametrize("options", [{"eta": 0.0}, {"eta": 0.6, "s_noise": 1.05}, {"eta": 1.0}])
def test_dpm_fast(bench, start, calls, orders, options) -> None:
    """The orders of appendix D.4; with eta an ancestral step that does not go below the last level."""
    row = bench.registry.samplers.get("DPM fast")
    sigmas = bench.levels(row, calls)
    noise = bench.CountedNoise(tuple(start.shape))
    final, asks = bench.drive(row, start * sigmas[0], sigmas, bench.denoise, noise, options, steps=calls)
    draws = iter([draw.double() for draw in noise.drawn])
    x = start.double() * sigmas[0]
    for (sigma, following), order in zip(pairwise(sigmas), orders, strict=True):
        down = max(down_up(sigma, following, options["eta"])[0], sigmas[-1])
        up = math.sqrt(following**2 - down**2)
        x = solved(bench, x, sigma, down, order)
        if up:
            x = x + up * options.get("s_noise", 1.0) * next(draws)
    assert len(asks) == calls
    assert next(draws, None) is None
    assert (final.double() - x).abs().max() < 1e-4


class StepSize:
    """A controller of step sizes by the errors of this step and the last two (PID), as k-diffusion publishes it."""

    def __init__(self, h: float, order: float, p: float = 0.0, i: float = 1.0, d: float = 0.0) -> None:
        self.h = h
        self._powers = ((p + i + d) / order, -(p + 2 * d) / order, d / order)
        self._inverse: deque[float] = deque(maxlen=2)

    def accepts(self, error: float) -> bool:
        inverse = 1 / (error + 1e-8)
        last = self._inverse or deque([inverse, inverse])
        terms = (inverse, last[0], last[-1])
        factor = math.prod(term**power for term, power in zip(terms, self._powers, strict=True))
        factor = 1 + math.atan(factor - 1)
        accepted = factor >= 0.81
        if accepted:
            self._inverse.appendleft(inverse)
        self.h *= factor
        return accepted


@pytest.mark.parametrize("eta", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("end", [0.03, 0.0])
def test_dpm_adaptive(bench, start, eta, end) -> None:
    """Lu et al. 2022, appendix C, in t = -log sigma: errors to 0.0078 or 5 %, a first step of 0.05."""
    sigmas = [14.6, 3.0, 1.0, 0.03, end][: 4 + (end == 0)]
    noise = bench.CountedNoise(tuple(start.shape))
    final, asks = bench.drive("DPM adaptive", start * 14.6, sigmas, bench.denoise, noise, {"eta": eta})
    expected, calls = [], 0
    for index in range(len(start)):
        x = before = start[index : index + 1].double() * 14.6
        draws = iter([draw[index : index + 1].double() for draw in noise.drawn])
        at, last = -math.log(14.6), -math.log(0.03)
        size = StepSize(0.05, 1.5 if eta else 3.0)
        while at < last - 1e-5:
            to = min(last, at + size.h)
            sigma, following = math.exp(-at), math.exp(-to)
            down = max(down_up(sigma, following, eta)[0], 0.03) if eta else following
            low, high = solved(bench, x, sigma, down, 2, 1 / 3), solved(bench, x, sigma, down, 3)
            calls += 3
            allowed = torch.maximum(0.05 * torch.maximum(low.abs(), before.abs()), torch.tensor(0.0078))
            if size.accepts(float((((low - high) / allowed) ** 2).mean().sqrt())):
                before, at = low, to
                up = math.sqrt(max(following**2 - down**2, 0.0))
                x = high + up * next(draws) if up else high
        if end == 0:
            x, calls = bench.denoise(x, math.exp(-at)), calls + 1
        expected.append(x)
    assert len(asks) == calls
    assert (final.double() - torch.cat(expected)).abs().max() < 1e-4


def test_dpm_adaptive_keeps_to_the_exact_path_with_steps_of_its_own(bench, start) -> None:
    data = bench.Gaussian()
    sigmas = [10.0, 3.0, 1.0, 0.5]
    final, asks = bench.drive("DPM adaptive", start * 10.0, sigmas, data.denoise, options={"eta": 0.0})
    assert (final - data.flow(start * 10.0, 10.0, 0.5)).abs().max() < 0.1
    assert len(asks) % 3 == 0 and {(ask.place.index, ask.place.count) for ask in asks} == {(0, 2), (1, 2)}
