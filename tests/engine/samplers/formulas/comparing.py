"""A row of the samplers' table and its published formula, from one start with one sequence of noise."""

from __future__ import annotations

SIGMAS = [14.6, 9.0, 5.5, 3.1, 1.7, 0.9, 0.4, 0.12, 0.03, 0.0]


def compare(bench, name: str, start, expected_of, sigmas=SIGMAS, options=None) -> None:
    """Runs the row and the formula from one start with one sequence of noise."""
    x = start * sigmas[0]
    noise = bench.CountedNoise(tuple(x.shape))
    final, _ = bench.drive(name, x, sigmas, bench.denoise, noise, options)
    draws = iter([draw.double() for draw in noise.drawn])
    expected = expected_of(x.double(), draws)
    assert (final.double() - expected).abs().max() < 1e-4
    assert next(draws, None) is None, "the sampler drew more noise than the formula"
