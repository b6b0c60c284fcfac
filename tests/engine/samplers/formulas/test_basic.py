"""Each sampler against its published formula, written here a second time, in float64."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

from tests.engine.samplers.formulas.comparing import CHURNS, SIGMAS, churn, compare

each_churn = pytest.mark.parametrize("options", CHURNS)


def test_euler(bench, start) -> None:
    def formula(x, draws):
        for sigma, following in pairwise(SIGMAS):
            slope = (x - bench.denoise(x, sigma)) / sigma
            x = x + slope * (following - sigma)
        return x

    compare(bench, "Euler", start, formula)


@each_churn
def test_euler_with_churn(bench, start, options) -> None:
    def formula(x, draws):
        for sigma, following in pairwise(SIGMAS):
            x, raised = churn(x, sigma, options, draws)
            slope = (x - bench.denoise(x, raised)) / raised
            x = x + (following - raised) * slope
        return x

    compare(bench, "Euler", start, formula, options=options)


@pytest.mark.parametrize("options", [{}, *CHURNS])
def test_heun(bench, start, options) -> None:
    """Karras et al. 2022, algorithm 2."""

    def formula(x, draws):
        for sigma, following in pairwise(SIGMAS):
            x, raised = churn(x, sigma, options, draws)
            slope = (x - bench.denoise(x, raised)) / raised
            guess = x + (following - raised) * slope
            if following != 0:
                slope_there = (guess - bench.denoise(guess, following)) / following
                guess = x + (following - raised) * (0.5 * slope + 0.5 * slope_there)
            x = guess
        return x

    compare(bench, "Heun", start, formula, options=options)


@pytest.mark.parametrize("eta", [1.0, 0.4])
def test_euler_ancestral_is_the_posterior_of_the_forward_process(bench, start, eta) -> None:
    """With eta 1: x' ~ q(x' | x, x0), the product of two normal densities, as DDPM's equation 7 in sigma space."""

    def formula(x, draws):
        for sigma, following in pairwise(SIGMAS):
            clean = bench.denoise(x, sigma)
            fresh = eta**2 * following**2 * (sigma**2 - following**2) / sigma**2
            kept = (following**2 - fresh) ** 0.5 / sigma
            x = clean + kept * (x - clean)
            if following > 0:
                x = x + fresh**0.5 * next(draws)
        return x

    compare(bench, "Euler a", start, formula, options={"eta": eta})


def test_dpmpp_2m(bench, start) -> None:
    """Lu et al. 2022 (DPM-Solver++), algorithm 2, in its own variables: alpha, sigma of the unit-variance process."""

    def formula(x, draws):
        variance_preserving = x / math.hypot(1, SIGMAS[0])
        x0 = []
        lambdas = [-math.log(sigma) if sigma else math.inf for sigma in SIGMAS]
        for i in range(1, len(SIGMAS)):
            s, t = SIGMAS[i - 1], SIGMAS[i]
            alpha_t, alpha_s = 1 / math.hypot(1, t), 1 / math.hypot(1, s)
            sigma_t, sigma_s = t * alpha_t, s * alpha_s
            x0.append(bench.denoise(variance_preserving / alpha_s, s))
            h = lambdas[i] - lambdas[i - 1]
            data = x0[-1]
            if i > 1 and t > 0:
                r = (lambdas[i - 1] - lambdas[i - 2]) / h
                data = (1 + 1 / (2 * r)) * x0[-1] - 1 / (2 * r) * x0[-2]
            variance_preserving = sigma_t / sigma_s * variance_preserving - alpha_t * math.expm1(-h) * data
        return variance_preserving

    compare(bench, "DPM++ 2M", start, formula)


@pytest.mark.parametrize("eta", [1.0, 0.6])
def test_dpmpp_2m_sde(bench, start, eta) -> None:
    """Lu et al. 2022, SDE-DPM-Solver++(2M), with eta as k-diffusion generalised it, in t = -log sigma."""

    def formula(x, draws):
        old, h_last = None, None
        for sigma, following in pairwise(SIGMAS):
            denoised = bench.denoise(x, sigma)
            if following == 0:
                return denoised
            h = math.log(sigma) - math.log(following)
            x = following / sigma * math.exp(-eta * h) * x - math.expm1(-h - eta * h) * denoised
            if old is not None:
                x = x - 0.5 * math.expm1(-h - eta * h) * (h / h_last) * (denoised - old)
            x = x + next(draws) * following * math.sqrt(1 - math.exp(-2 * eta * h))
            old, h_last = denoised, h
        return x

    compare(bench, "DPM++ 2M SDE", start, formula, options={"eta": eta})


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_ddim(bench, start, eta) -> None:
    """Song et al. 2021, equations 12 and 16, in alpha-bar, ending in the model's own scale at a level above 0."""
    sigmas = SIGMAS[:-1]

    def formula(x, draws):
        alphas = [1 / (1 + sigma**2) for sigma in sigmas]
        x = x * alphas[0] ** 0.5
        for a, before in pairwise(alphas):
            clean = bench.denoise(x / a**0.5, ((1 - a) / a) ** 0.5)
            epsilon = (x - a**0.5 * clean) / (1 - a) ** 0.5
            fresh = eta * ((1 - before) / (1 - a)) ** 0.5 * (1 - a / before) ** 0.5
            x = before**0.5 * clean + (1 - before - fresh**2) ** 0.5 * epsilon
            if eta:
                x = x + fresh * next(draws)
        return x

    compare(bench, "DDIM", start, formula, sigmas=sigmas, options={"eta_ddim": eta})


@pytest.mark.parametrize("name, other", [("Euler a", "Euler"), ("DPM++ 2M SDE", "DPM++ 2M"), ("DDIM", "Euler")])
def test_without_eta_the_noisy_samplers_are_their_quiet_kin(bench, start, name, other) -> None:
    noise = bench.CountedNoise(tuple(start.shape))
    quiet, _ = bench.drive(name, start * SIGMAS[0], SIGMAS, bench.denoise, noise, {"eta": 0.0})
    expected, _ = bench.drive(other, start * SIGMAS[0], SIGMAS, bench.denoise, noise)
    assert torch.allclose(quiet, expected, atol=1e-5)
    assert noise.drawn == []
