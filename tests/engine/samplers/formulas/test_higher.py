"""The samplers of second order, multistep and own control against their published formulas, in float64."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import integrate

from tests.engine.samplers.formulas.comparing import CHURNS, SIGMAS, churn, compare, down_up
from webui.engine.samplers.multistep import uneven

LAMBDAS = [-math.log(sigma) if sigma else math.inf for sigma in SIGMAS]


@pytest.mark.parametrize("options", [{}, *CHURNS])
def test_dpm_2(bench, start, options) -> None:
    def formula(x, draws):
        for sigma, following in pairwise(SIGMAS):
            x, raised = churn(x, sigma, options, draws)
            slope = (x - bench.denoise(x, raised)) / raised
            if following:
                middle = math.exp(0.5 * math.log(raised) + 0.5 * math.log(following))
                guess = x + slope * (middle - raised)
                slope = (guess - bench.denoise(guess, middle)) / middle
            x = x + slope * (following - raised)
        return x

    compare(bench, "DPM2", start, formula, options=options)


@pytest.mark.parametrize("eta", [1.0, 0.4])
def test_dpm_2_ancestral(bench, start, eta) -> None:
    def formula(x, draws):
        for sigma, following in pairwise(SIGMAS):
            down, up = down_up(sigma, following, eta)
            slope = (x - bench.denoise(x, sigma)) / sigma
            if down:
                middle = math.sqrt(sigma * down)
                guess = x + slope * (middle - sigma)
                slope = (guess - bench.denoise(guess, middle)) / middle
            x = x + slope * (down - sigma)
            if up:
                x = x + next(draws) * up
        return x

    compare(bench, "DPM2 a", start, formula, options={"eta": eta})


@pytest.mark.parametrize("eta", [1.0, 0.4])
def test_dpmpp_2s_ancestral(bench, start, eta) -> None:
    """Lu et al. 2022 (DPM-Solver++), algorithm 1 with r = 1/2, down to the ancestral level."""

    def formula(x, draws):
        for sigma, following in pairwise(SIGMAS):
            down, up = down_up(sigma, following, eta)
            clean = bench.denoise(x, sigma)
            if down == 0:
                x = clean
            else:
                h = math.log(sigma / down)
                u = math.exp(-h / 2) * x - math.expm1(-h / 2) * clean
                x = math.exp(-h) * x - math.expm1(-h) * bench.denoise(u, sigma * math.exp(-h / 2))
            if up:
                x = x + next(draws) * up
        return x

    compare(bench, "DPM++ 2S a", start, formula, options={"eta": eta})


@pytest.mark.parametrize("eta", [1.0, 0.4])
def test_dpmpp_sde(bench, start, eta) -> None:
    def formula(x, draws):
        for sigma, following in pairwise(SIGMAS):
            clean = bench.denoise(x, sigma)
            if following == 0:
                return clean
            middle = math.exp(-(-math.log(sigma) + 0.5 * math.log(sigma / following)))
            down, up = down_up(sigma, middle, eta)
            u = down / sigma * x + (1 - down / sigma) * clean + up * next(draws)
            clean = bench.denoise(u, middle)
            down, up = down_up(sigma, following, eta)
            x = down / sigma * x + (1 - down / sigma) * clean + up * next(draws)
        return x

    compare(bench, "DPM++ SDE", start, formula, options={"eta": eta})


@pytest.mark.parametrize("name, order", [("DPM++ 2M SDE Heun", 2), ("DPM++ 3M SDE", 3)])
@pytest.mark.parametrize("eta", [1.0, 0.3])
def test_the_sde_multistep_forms_integrate_a_polynomial_through_the_answers(bench, start, name, order, eta) -> None:
    """x' = e^-z x + integral of e^(u - z) D(u) over u from 0 to z = (1 + eta) h, D a polynomial in u / z."""

    def formula(x, draws):
        known: list[tuple[float, torch.Tensor]] = []
        for i, (sigma, following) in enumerate(pairwise(SIGMAS)):
            known = [(LAMBDAS[i], bench.denoise(x, sigma)), *known][:order]
            if following == 0:
                return known[0][1]
            h = LAMBDAS[i + 1] - LAMBDAS[i]
            z = (1 + eta) * h
            x = math.exp(-z) * x
            for k, derivative in enumerate(taylor(known)):
                share = integrate.quad(lambda u, k=k, z=z: (u / z) ** k * math.exp(u - z), 0, z, epsabs=1e-13)[0]
                x = x + share / math.factorial(k) * h**k * derivative
            x = x + next(draws) * following * math.sqrt(1 - math.exp(-2 * eta * h))
        return x

    compare(bench, name, start, formula, options={"eta": eta})


def taylor(known) -> list[torch.Tensor]:
    """Value, slope and divided second difference over lambda at the newest of the known (lambda, answer).

    Crowson's form takes the second difference where a Taylor series has the second derivative, twice as much.
    """
    if len(known) == 1:
        return [known[0][1]]
    (l0, d0), (l1, d1) = known[:2]
    first = (d0 - d1) / (l0 - l1)
    if len(known) == 2:
        return [d0, first]
    l2, d2 = known[2]
    second = (first - (d1 - d2) / (l1 - l2)) / (l0 - l2)
    return [d0, first + second * (l0 - l1), second]


def lagrange_integrals(times, start: float, end: float, jacobian, time) -> list[float]:
    def weight(j: int) -> float:
        def integrand(level: float) -> float:
            others = [k for k in range(len(times)) if k != j]
            return jacobian * math.prod((time(level) - times[k]) / (times[j] - times[k]) for k in others)

        return integrate.quad(integrand, start, end, epsabs=1e-12)[0]

    return [weight(j) for j in range(len(times))]


def multistep(bench, order, weights, clean_end):
    def formula(x, draws):
        slopes: list[torch.Tensor] = []
        for i, (sigma, following) in enumerate(pairwise(SIGMAS)):
            clean = bench.denoise(x, sigma)
            slopes = [(x - clean) / sigma, *slopes][:order]
            if clean_end and following == 0:
                return clean
            levels = SIGMAS[max(i - order + 1, 0) : i + 1][::-1]
            x = x + sum(w * d for w, d in zip(weights(levels, following), slopes, strict=True))
        return x

    return formula


def test_lms(bench, start) -> None:
    def weights(levels, following):
        return lagrange_integrals(levels, levels[0], following, 1.0, lambda level: level)

    compare(bench, "LMS", start, multistep(bench, 4, weights, False))


def test_deis(bench, start) -> None:
    """Time form: polynomials in the time of a variance-preserving process whose log alpha is quadratic in time."""
    ends = np.log(np.array([0.002, 80.0]) ** 2 + 1)
    slope, offset = np.linalg.solve([[0.5e-6, 1e-3], [0.5, 1.0]], ends)

    def time(level: float) -> float:
        roots = np.roots([0.5 * slope, offset, -math.log(level**2 + 1)])
        return float(max(roots.real))

    def weights(levels, following):
        return lagrange_integrals([time(level) for level in levels], levels[0], following, 1.0, time)

    compare(bench, "DEIS", start, multistep(bench, 3, weights, True))


AB = [[1], [3 / 2, -1 / 2], [23 / 12, -4 / 3, 5 / 12], [55 / 24, -59 / 24, 37 / 24, -3 / 8]]


def test_ipndm(bench, start) -> None:
    def weights(levels, following):
        return [w * (following - levels[0]) for w in AB[len(levels) - 1]]

    compare(bench, "IPNDM", start, multistep(bench, 4, weights, True))


def test_the_weights_of_ipndm_v() -> None:
    for count in range(1, 4):
        levels = [5.0 + place for place in range(count)]
        assert uneven(levels, 4.0) == pytest.approx([-w for w in AB[count - 1]])
    # With four slopes the third difference weighs 11/24, where Adams and Bashforth have 9/24.
    third = 11 / 24
    expected = [w + third * share for w, share in zip([*AB[2], 0.0], (1, -3, 3, -1), strict=True)]
    assert uneven([5.0, 6.0, 7.0, 8.0], 4.0) == pytest.approx([-w for w in expected])
    expected = lagrange_integrals([3.0, 5.5], 3.0, 1.2, 1.0, lambda level: level)
    assert uneven([3.0, 5.5], 1.2) == pytest.approx(expected)
    # Forge's numbers for uneven steps, worked out by hand from its description.
    h, a, b = -1.8, -2.5, -3.5
    third = (1 - h * h / (3 * a * (a + b))) / 2
    r, q = h / a, a / b
    assert uneven([3.0, 5.5, 9.0], 1.2) == pytest.approx(
        [h * (1 + r / 2 + third), h * (-r / 2 - (1 + q) * third), h * q * third]
    )


def test_plms(bench, start) -> None:
    """Liu et al. 2022, on the noise in the model's own scale: the first step is a pseudo Heun's."""
    sigmas = SIGMAS[:-1]

    def formula(x, draws):
        alphas = [1 / (1 + sigma**2) for sigma in sigmas]
        x = x * alphas[0] ** 0.5
        noises: list[torch.Tensor] = []

        def noise(x, a):
            return (x - a**0.5 * bench.denoise(x / a**0.5, ((1 - a) / a) ** 0.5)) / (1 - a) ** 0.5

        def transfer(x, e, a, before):
            return before**0.5 * (x - (1 - a) ** 0.5 * e) / a**0.5 + (1 - before) ** 0.5 * e

        for a, before in pairwise(alphas):
            e = noise(x, a)
            noises = [e, *noises][:4]
            mean = sum(w * d for w, d in zip(AB[len(noises) - 1], noises, strict=True))
            if len(noises) == 1:
                mean = (e + noise(transfer(x, e, a, before), before)) / 2
            x = transfer(x, mean, a, before)
        return x

    compare(bench, "PLMS", start, formula, sigmas=sigmas)


def test_heunpp2(bench, start) -> None:
    def formula(x, draws):
        top = SIGMAS[0]
        for i, (sigma, following) in enumerate(pairwise(SIGMAS)):
            one = (x - bench.denoise(x, sigma)) / sigma
            mean = one
            if i < len(SIGMAS) - 2:
                guess = x + one * (following - sigma)
                two = (guess - bench.denoise(guess, following)) / following
                mean = one * (1 - following / (2 * top)) + two * following / (2 * top)
            if i < len(SIGMAS) - 3:
                third = SIGMAS[i + 2]
                guess = guess + two * (third - following)
                three = (guess - bench.denoise(guess, third)) / third
                shares = following / (3 * top), third / (3 * top)
                mean = one * (1 - sum(shares)) + two * shares[0] + three * shares[1]
            x = x + mean * (following - sigma)
        return x

    compare(bench, "HeunPP2", start, formula)


@pytest.mark.parametrize("steps, ways", [(20, 1), (36, 2)])
def test_restart(bench, start, steps, ways) -> None:
    """A1111's restarts: from the level nearest 0.1 up to that nearest 2 and down again, on Karras's levels."""
    row = bench.registry.samplers.get("Restart")
    sigmas = bench.levels(row, steps)
    length = 9 if steps < 36 else steps // 4

    def karras(top, end, count):
        return list(np.linspace(top ** (1 / 7), end ** (1 / 7), count) ** 7)

    def formula(x, draws):
        levels = [*karras(sigmas[0], sigmas[-2], steps - length * ways), 0.0]
        low, high = (int(np.argmin(np.abs(np.array(levels) - level))) for level in (0.1, 2.0))
        walk = list(pairwise(levels[: low + 1]))
        for _ in range(ways):
            walk += list(pairwise(karras(levels[high], levels[low], length + 1)))
        walk += list(pairwise(levels[low:]))
        assert len(walk) == steps
        at = levels[0]
        for sigma, following in walk:
            if sigma > at:
                x = x + math.sqrt(sigma**2 - at**2) * next(draws)
            slope = (x - bench.denoise(x, sigma)) / sigma
            guess = x + slope * (following - sigma)
            if following:
                second = (guess - bench.denoise(guess, following)) / following
                guess = x + (slope + second) / 2 * (following - sigma)
            x, at = guess, following
        return x

    compare(bench, "Restart", start, formula, sigmas=sigmas)
