"""UniPC, LCM, DDPM and DDIM CFG++ against their published formulas, in float64."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from tests.engine.samplers.formulas.comparing import SIGMAS, compare


@pytest.mark.parametrize("variant", ["bh1", "bh2", "vary_coeff"])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_unipc(bench, start, variant, order) -> None:
    """Zhao et al. 2023 in their own variables: alpha, sigma and lambda of the unit-variance process."""
    sigmas = SIGMAS[:-1]
    steps = len(sigmas) - 1
    lambdas = [-math.log(sigma) for sigma in sigmas]
    alphas = [1 / math.hypot(1, sigma) for sigma in sigmas]

    def phi(k: int, hh: float) -> float:
        """hh phi_(k + 1)(hh), from the series that defines it."""
        return sum(hh ** (n + 1) / math.factorial(n + k + 1) for n in range(60)) if k else math.expm1(hh)

    def update(x, i, p, answers, new=None):
        """From level i - 1 to i with order p; `new` is the answer there, for the corrector."""
        h = lambdas[i] - lambdas[i - 1]
        base = sigmas[i] * alphas[i] / (sigmas[i - 1] * alphas[i - 1]) * x - alphas[i] * math.expm1(-h) * answers[0]
        places = [(lambdas[i - 1 - k] - lambdas[i - 1]) / h for k in range(1, p)] + ([1.0] if new is not None else [])
        others = answers[1:p] + ([new] if new is not None else [])
        differences = [(other - answers[0]) / place for other, place in zip(others, places, strict=True)]
        if not places:
            return base
        count = len(places)
        if variant == "vary_coeff":
            inverse = np.linalg.inv([[r**k / math.factorial(k + 1) for k in range(count)] for r in places])
            for k in range(count - (new is not None)):
                base = base - alphas[i] * phi(k + 1, -h) * sum(
                    inverse[k][j] * differences[j] for j in range(count - (new is not None))
                )
            if new is not None:
                base = base - alphas[i] * phi(count, -h) * inverse[max(count - 2, 0)][-1] * differences[-1]
            return base
        b = -h if variant == "bh1" else math.expm1(-h)
        matrix = [[r**k for r in places] for k in range(count)]
        goal = [math.factorial(k + 1) * phi(k + 1, -h) / b for k in range(count)]
        rho = [0.5] if count == 1 else np.linalg.solve(matrix, goal)
        return base - alphas[i] * b * sum(r * d for r, d in zip(rho, differences, strict=True))

    def formula(x, draws):
        x = x * alphas[0]
        answers = [bench.denoise(x / alphas[0], sigmas[0])]
        for i in range(1, steps + 1):
            p = min(order, i, steps + 1 - i)
            guess = update(x, i, p, answers)
            if i == steps:
                return guess
            new = bench.denoise(guess / alphas[i], sigmas[i])
            x = update(x, i, p, answers, new)
            answers = [new, *answers][:order]
        return x

    options = {"uni_pc_variant": variant, "uni_pc_order": order}
    compare(bench, "UniPC", start, formula, sigmas=sigmas, options=options)


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
