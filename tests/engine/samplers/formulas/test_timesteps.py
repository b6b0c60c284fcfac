"""LCM, DDPM and DDIM CFG++ against their published formulas, in float64."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from tests.engine.samplers.formulas.comparing import SIGMAS, compare


def test_lcm_and_ddpm(bench, start) -> None:
    def lcm(x, draws):
        for sigma, following in pairwise(SIGMAS):
            x = bench.denoise(x, sigma)
            x = x + following * next(draws) if following else x
        return x

    def ddpm(x, draws):
        """Ho et al. 2020, algorithm 2, in alpha-bar."""
        for sigma, following in pairwise(SIGMAS):
            bar, before = 1 / (1 + sigma**2), 1 / (1 + following**2)
            alpha = bar / before
            noise = (x - bench.denoise(x, sigma)) / sigma
            mean = (x * bar**0.5 - (1 - alpha) / (1 - bar) ** 0.5 * noise) / alpha**0.5
            if following:
                mean = mean + ((1 - before) / (1 - bar) * (1 - alpha)) ** 0.5 * next(draws)
            x = mean / before**0.5
        return x

    compare(bench, "LCM", start, lcm)
    compare(bench, "DDPM", start, ddpm)


LCM_TIMESTEPS = range(19, 1000, 20)
"""Those that LCM models are trained at."""


def nearest_of_lcm(bench, sigma: float) -> int:
    return min(LCM_TIMESTEPS, key=lambda timestep: abs(math.log(bench.model.sigmas[timestep] / sigma)))


@pytest.mark.parametrize("steps", [1, 2, 5, 10, 25, 50])
def test_lcm_is_a1111s_on_levels_that_its_models_are_trained_at(bench, start, steps) -> None:
    """A1111 asks at the nearest of 50 timesteps, and weighs answer and latent by its boundary condition."""
    sigmas = bench.levels(bench.registry.samplers.get("LCM"), steps, "Turbo")

    def formula(x, draws):
        for sigma, following in pairwise(sigmas):
            timestep = nearest_of_lcm(bench, sigma)
            trained = bench.model.sigmas[timestep]
            seen = x / math.hypot(1, sigma) * math.hypot(1, trained)
            noise = (seen - bench.denoise(seen, trained)) / trained
            scaled = 10.0 * timestep
            skip, out = 0.25 / (scaled**2 + 0.25), scaled / math.hypot(scaled, 0.5)
            x = out * (x - sigma * noise) + skip * x
            x = x + following * next(draws) if following else x
        return x

    compare(bench, "LCM", start, formula, sigmas=sigmas)


@pytest.mark.parametrize("steps", [4, 8, 12, 20])
def test_on_other_levels_a1111_asks_at_most_ten_timesteps_away(bench, steps) -> None:
    sigmas = bench.levels(bench.registry.samplers.get("LCM"), steps)[:-1]
    away = [abs(bench.model.timestep(sigma) - nearest_of_lcm(bench, sigma)) for sigma in sigmas]
    assert 1.0 < max(away) <= 10.5


def test_cfgpp_renoises_as_the_model_sees_it_without_the_prompt(bench, start) -> None:
    """Chung et al. 2024, algorithm 2, lambda = cfg / 12.5; the loop's answer is guided by cfg itself."""
    sigmas, cfg = SIGMAS[:-1], 5.0

    def uncond(x, sigma):
        return bench.denoise(x, sigma) * 0.7

    def guided(x, sigma):
        return uncond(x, sigma) + cfg * (bench.denoise(x, sigma) - uncond(x, sigma))

    x = start.double() * sigmas[0]
    for sigma, following in pairwise(sigmas):
        free, cond = uncond(x, sigma), bench.denoise(x, sigma)
        x = free + cfg / 12.5 * (cond - free) + following * (x - free) / sigma
    expected = x / math.hypot(1, sigmas[-1])
    final, _ = bench.drive("DDIM CFG++", start * sigmas[0], sigmas, guided, uncond=uncond)
    assert (final.double() - expected).abs().max() < 1e-4
