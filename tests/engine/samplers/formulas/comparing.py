"""A row of the samplers' table and its published formula, from one start with one sequence of noise."""

from __future__ import annotations

import math

SIGMAS = [14.6, 9.0, 5.5, 3.1, 1.7, 0.9, 0.4, 0.12, 0.03, 0.0]

FLOW_SIGMAS = [0.97, 0.9, 0.8, 0.65, 0.5, 0.35, 0.2, 0.08, 0.0]
"""Of a flow model."""

CHURNS = [{"s_churn": 4.0}, {"s_churn": 40.0, "s_tmin": 0.5, "s_tmax": 6.0, "s_noise": 1.02}]


def churn(x, sigma, options, draws, steps=len(SIGMAS) - 1):
    """(the latent, its level) after lines 4 to 6 of algorithm 2 of Karras et al. 2022."""
    inside = options.get("s_tmin", 0.0) <= sigma <= options.get("s_tmax", math.inf)
    gamma = min(options.get("s_churn", 0.0) / steps, 2**0.5 - 1) if inside else 0.0
    raised = sigma + gamma * sigma
    if gamma:
        x = x + (raised**2 - sigma**2) ** 0.5 * options.get("s_noise", 1.0) * next(draws)
    return x, raised


def down_up(sigma: float, following: float, eta: float) -> tuple[float, float]:
    up = min(following, eta * math.sqrt(following**2 * (sigma**2 - following**2) / sigma**2))
    return math.sqrt(following**2 - up**2), up


def compare(bench, name: str, start, expected_of, sigmas=SIGMAS, options=None) -> None:
    """Runs the row and the formula from one start with one sequence of noise."""
    x = start * sigmas[0]
    noise = bench.CountedNoise(tuple(x.shape))
    final, _ = bench.drive(name, x, sigmas, bench.denoise, noise, options)
    draws = iter([draw.double() for draw in noise.drawn])
    expected = expected_of(x.double(), draws)
    assert (final.double() - expected).abs().max() < 1e-4
    assert next(draws, None) is None, "the sampler drew more noise than the formula"


def drawless(bench, name: str, start, sigmas, options=None):
    """The final latent of a row that draws nothing, with a flow model."""
    noise = bench.CountedNoise(tuple(start.shape))
    final, _ = bench.drive(name, start, sigmas, bench.in_flow(bench.denoise), noise, options, model=bench.flow)
    assert noise.drawn == []
    return final.double()
