"""Data that is a mixture of known normal distributions: the paths are bent, and where they end is known."""

from __future__ import annotations

import math

import pytest
import torch

from tests.engine.samplers.mixture import MEANS, SHARES, SPREADS, denoise, exact
from webui.engine.noise import LaneNoise
from webui.engine.schedules import start_scale
from webui.plugins.builtin.samplers import samplers

OURS = [row.name for row in samplers() if row.group == "Built in" and row.name != "LCM"]
NOISY = {"DPM++ SDE", "DPM++ 2M SDE", "DPM++ 2M SDE Heun", "DPM++ 2S a", "DPM++ 3M SDE", "Euler a", "DPM2 a"}
NOISY |= {"DPM fast", "DPM adaptive", "Restart", "DDPM"}
QUIET = [name for name in OURS if name not in NOISY]


@pytest.mark.parametrize("name", QUIET)
def test_the_exact_path_is_the_limit(bench, name) -> None:
    x = LaneNoise((5,), (3, 6, 6)).normal() * 10.0
    expected = exact(x, 10.0, 0.05)
    errors = []
    for steps in (40, 160):
        sigmas = [10.0 * 0.005 ** (place / steps) for place in range(steps + 1)]
        final, _ = bench.drive(name, x, sigmas, denoise)
        if bench.registry.samplers.get(name).uses_timesteps:
            final = final * math.hypot(1.0, sigmas[-1])
        errors.append((final - expected).abs().mean().item())
    assert errors[1] < 0.02
    assert errors[1] < errors[0] / 3 + 1e-4


@pytest.mark.parametrize("name", OURS)
def test_mean_and_covariance_of_the_data(bench, name) -> None:
    row = bench.registry.samplers.get(name)
    sigmas = bench.levels(row, 60)
    noise = LaneNoise((7,), (3, 96, 96))
    x = noise.normal() * start_scale(row, sigmas[0], bench.model)
    final, _ = bench.drive(row, x, sigmas, denoise, noise, steps=60)
    check_mean_and_covariance(final)


@pytest.mark.parametrize("name", ["LCM", "LCM (diffusers)"])
def test_mean_and_covariance_with_a_consistency_model(bench, name) -> None:
    """Of samplers for models that answer where the noise-free path ends."""
    sigmas = bench.levels(bench.registry.samplers.get(name), 2)
    noise = LaneNoise((7,), (3, 96, 96))
    x = noise.normal() * sigmas[0]
    final, _ = bench.drive(name, x, sigmas, lambda x, sigma: exact(x, sigma, 0.01, 1e-3).to(x.dtype), noise)
    check_mean_and_covariance(final)


def check_mean_and_covariance(final: torch.Tensor) -> None:
    """Against those of the data; final: (1, 3, height, width)."""
    points = final[0].reshape(3, -1).double()
    mean = (SHARES[:, None] * MEANS).sum(0).double()
    offsets = MEANS.double() - mean
    within = (SHARES * SPREADS**2).sum().double() * torch.eye(3).double()
    covariance = within + (SHARES.double()[:, None] * offsets).T @ offsets
    assert (points.mean(1) - mean).abs().max() < 0.06
    assert (torch.cov(points) - covariance).abs().max() < 0.12
