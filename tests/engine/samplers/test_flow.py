"""Samplers on flow models, whose noisy latents are (1 - sigma) clean + sigma noise."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

from webui.engine.noise import LaneNoise
from webui.plugins.builtin.families import FLOW_SAMPLERS

BEGIN_ANEW = ("LCM", "Flow LCM (diffusers)")
"""Those that keep nothing of a step but its prediction."""

each_name = pytest.mark.parametrize("name", FLOW_SAMPLERS)


def sampled(bench, name: str, steps: int, options=None, size: int = 48):
    """(the start, the final latent, the draws of noise) for the data of a normal distribution."""
    data = bench.Gaussian()
    row = bench.registry.samplers.get(name)
    noise = LaneNoise(range(4), (4, size, size))
    start = noise.normal()
    counted = bench.CountedNoise(tuple(start.shape))
    denoise = bench.in_flow(bench.denoiser_for(row, data))
    sigmas = bench.levels(row, steps, model=bench.flow)
    assert sigmas[0] == 1.0
    final, asks = bench.drive(row, start, sigmas, denoise, counted, options, steps=steps, model=bench.flow)
    assert all(0.0 < ask.sigma <= 1.0 for ask in asks) and asks[0].sigma == 1.0
    assert torch.allclose(asks[0].x, start, atol=1e-5)
    return start, final, counted


@each_name
def test_the_spread_of_the_data_is_met(bench, name) -> None:
    data = bench.Gaussian()
    start, final, noise = sampled(bench, name, 150)
    assert abs(final.mean().item() - data.mean) < 0.03
    assert abs(final.std().item() / data.spread - 1.0) < 0.05
    if not noise.drawn:
        assert (final - (data.mean + data.spread * start)).abs().max() < 0.07


@pytest.mark.parametrize("name, order", [("Euler", 1), ("Heun", 2), ("DPM++ 2M", 2), ("UniPC", 2), ("LMS", 2)])
def test_order_of_convergence_between_two_levels(bench, name, order) -> None:
    """From sigma 0.9 to 0.2, on the exact path: x / (1 - sigma) follows that of the ratio sigma / (1 - sigma)."""
    data = bench.Gaussian()
    start = LaneNoise((1,), (4, 16, 16)).normal()
    errors = []
    for steps in (40, 80):
        sigmas = [0.9 + (0.2 - 0.9) * place / steps for place in range(steps + 1)]
        final, _ = bench.drive(name, start, sigmas, bench.in_flow(data.denoise), model=bench.flow)
        expected = data.flow(start / 0.1, 9.0, 0.25) * 0.8
        errors.append((final - expected).abs().max().item())
    assert errors[1] < 1e-5 or math.log2(errors[0] / errors[1]) > order - 0.3


@pytest.mark.parametrize("eta", [1.0, 0.5])
def test_the_ancestral_form(bench, start, eta) -> None:
    """Down to sigma' (1 + eta (sigma' / sigma - 1)), then up by the share of the picture and fresh noise."""
    sigmas = [1.0, 0.9, 0.7, 0.4, 0.1, 0.0]
    noise = bench.CountedNoise(tuple(start.shape))
    denoise = bench.in_flow(bench.bent)
    final, _ = bench.drive("Euler a", start, sigmas, denoise, noise, {"eta": eta}, model=bench.flow)
    x, draws = start.double(), iter(noise.drawn)
    for sigma, following in pairwise(sigmas):
        clean = denoise(x, sigma)
        if following == 0:
            x = clean
            break
        down = following * (1 + (following / sigma - 1) * eta)
        x = down / sigma * x + (1 - down / sigma) * clean
        share = (1 - following) / (1 - down)
        x = share * x + math.sqrt(following**2 - (down * share) ** 2) * next(draws)
    assert (final.double() - x).abs().max() < 1e-4


def test_lcm_adds_noise_as_the_model_does(bench, start) -> None:
    sigmas = [1.0, 0.6, 0.0]
    noise = bench.CountedNoise(tuple(start.shape))
    _, asks = bench.drive("LCM", start, sigmas, bench.in_flow(bench.bent), noise, model=bench.flow)
    clean = bench.in_flow(bench.bent)(start, 1.0)
    assert torch.allclose(asks[1].x, 0.4 * clean + 0.6 * noise.drawn[0], atol=1e-6)


@pytest.mark.parametrize("name", [name for name in FLOW_SAMPLERS if name not in BEGIN_ANEW])
def test_what_a_hook_changes_reaches_the_sampler(bench, name) -> None:
    """A changed latent at the first ask of a step changes the picture."""
    data = bench.Gaussian()
    row = bench.registry.samplers.get(name)
    sigmas = bench.levels(row, 6, model=bench.flow)

    def end(shift: float) -> torch.Tensor:
        seen = -1

        def denoise(x, sigma):
            nonlocal seen
            if seen == -1:
                x.add_(shift)
            seen = 0
            return bench.in_flow(data.denoise)(x, sigma)

        start = LaneNoise((1,), (4, 8, 8)).normal()
        options = {"eta": 0.0}
        return bench.drive(row, start, sigmas, denoise, options=options, steps=6, model=bench.flow)[0]

    assert (end(0.5) - end(0.0)).abs().min() > 0.02
