"""Samplers on flow models, x = (1 - sigma) clean + sigma noise, against formulas in that scale, in float64."""

from __future__ import annotations

import math
from itertools import pairwise

from tests.engine.samplers.formulas.comparing import FLOW_SIGMAS, drawless


def test_euler_and_heun(bench, start) -> None:
    """Along the velocity, noise - clean, which is (x - clean) / sigma."""
    denoise = bench.in_flow(bench.denoise)
    euler = heun = start.double()
    for sigma, following in pairwise(FLOW_SIGMAS):
        euler = euler + (following - sigma) * (euler - denoise(euler, sigma)) / sigma
        velocity = (heun - denoise(heun, sigma)) / sigma
        guess = heun + (following - sigma) * velocity
        if following:
            velocity = (velocity + (guess - denoise(guess, following)) / following) / 2
        heun = heun + (following - sigma) * velocity
    assert (drawless(bench, "Euler", start, FLOW_SIGMAS) - euler).abs().max() < 1e-4
    assert (drawless(bench, "Heun", start, FLOW_SIGMAS) - heun).abs().max() < 1e-4


def test_dpmpp_2m(bench, start) -> None:
    """Lu et al. 2022 (DPM-Solver++), algorithm 2, with alpha = 1 - sigma; the step to 0 takes the answer."""
    denoise = bench.in_flow(bench.denoise)
    x, answers, lengths = start.double(), [], []
    for s, t in pairwise(FLOW_SIGMAS):
        answers.append(denoise(x, s))
        if t == 0:
            x = answers[-1]
            break
        lengths.append(math.log((1 - t) / t) - math.log((1 - s) / s))
        data = answers[-1]
        if len(answers) > 1:
            r = lengths[-2] / lengths[-1]
            data = (1 + 1 / (2 * r)) * answers[-1] - 1 / (2 * r) * answers[-2]
        x = t / s * x - (1 - t) * math.expm1(-lengths[-1]) * data
    assert (drawless(bench, "DPM++ 2M", start, FLOW_SIGMAS) - x).abs().max() < 1e-4
