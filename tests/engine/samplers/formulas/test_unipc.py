"""UniPC against its paper's algorithms, in float64, for models of unit variance and for flow models."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from tests.engine.samplers.formulas.comparing import FLOW_SIGMAS, SIGMAS, compare, drawless


def phi(k: int, hh: float) -> float:
    """hh phi_(k + 1)(hh), from the series that defines it."""
    return sum(hh ** (n + 1) / math.factorial(n + k + 1) for n in range(60)) if k else math.expm1(hh)


class UniPC:
    """Zhao et al. 2023 in their own variables: x = alpha clean + sigma noise, lambda = log(alpha / sigma)."""

    def __init__(self, alphas: Sequence[float], sigmas: Sequence[float], variant: str, order: int) -> None:
        self.alphas, self.sigmas, self.variant, self.order = alphas, sigmas, variant, order
        self.lambdas = [math.log(alpha / sigma) for alpha, sigma in zip(alphas, sigmas, strict=True)]

    def update(self, x, i, p, answers, new=None):
        """From level i - 1 to i with order p; `new` is the answer there, for the corrector."""
        alpha, lambdas = self.alphas[i], self.lambdas
        h = lambdas[i] - lambdas[i - 1]
        base = self.sigmas[i] / self.sigmas[i - 1] * x - alpha * math.expm1(-h) * answers[0]
        places = [(lambdas[i - 1 - k] - lambdas[i - 1]) / h for k in range(1, p)] + ([1.0] if new is not None else [])
        others = answers[1:p] + ([new] if new is not None else [])
        differences = [(other - answers[0]) / place for other, place in zip(others, places, strict=True)]
        if not places:
            return base
        count = len(places)
        if self.variant == "vary_coeff":
            inverse = np.linalg.inv([[r**k / math.factorial(k + 1) for k in range(count)] for r in places])
            known = count - (new is not None)
            for k in range(known):
                share = sum(inverse[k][j] * differences[j] for j in range(known))
                base = base - alpha * phi(k + 1, -h) * share
            if new is not None:
                base = base - alpha * phi(count, -h) * inverse[max(count - 2, 0)][-1] * differences[-1]
            return base
        b = -h if self.variant == "bh1" else math.expm1(-h)
        matrix = [[r**k for r in places] for k in range(count)]
        goal = [math.factorial(k + 1) * phi(k + 1, -h) / b for k in range(count)]
        rho = [0.5] if count == 1 else np.linalg.solve(matrix, goal)
        return base - alpha * b * sum(r * d for r, d in zip(rho, differences, strict=True))

    def walk(self, x, answer):
        """answer: (latent in this scale, place of its level) -> clean."""
        steps = len(self.sigmas) - 1
        answers = [answer(x, 0)]
        for i in range(1, steps + 1):
            p = min(self.order, i, steps + 1 - i)
            guess = self.update(x, i, p, answers)
            if i == steps:
                return guess
            new = answer(guess, i)
            x = self.update(x, i, p, answers, new)
            answers = [new, *answers][: self.order]
        return x


each_form = pytest.mark.parametrize("variant", ["bh1", "bh2", "vary_coeff"])
each_order = pytest.mark.parametrize("order", [1, 2, 3])


@each_form
@each_order
def test_unipc(bench, start, variant, order) -> None:
    sigmas = SIGMAS[:-1]
    alphas = [1 / math.hypot(1, sigma) for sigma in sigmas]
    shares = [sigma * alpha for sigma, alpha in zip(sigmas, alphas, strict=True)]

    def formula(x, draws):
        walker = UniPC(alphas, shares, variant, order)
        return walker.walk(x * alphas[0], lambda x, i: bench.denoise(x / alphas[i], sigmas[i]))

    options = {"uni_pc_variant": variant, "uni_pc_order": order}
    compare(bench, "UniPC", start, formula, sigmas=sigmas, options=options)


@each_form
@each_order
def test_unipc_of_flow_models(bench, start, variant, order) -> None:
    """alpha is 1 - sigma; from a level above 0 to one above 0, in the one scale that flow models have."""
    sigmas = FLOW_SIGMAS[:-1]
    flowing = bench.in_flow(bench.denoise)
    walker = UniPC([1 - sigma for sigma in sigmas], sigmas, variant, order)
    expected = walker.walk(start.double(), lambda x, i: flowing(x, sigmas[i]))
    options = {"uni_pc_variant": variant, "uni_pc_order": order}
    assert (drawless(bench, "UniPC", start, sigmas, options) - expected).abs().max() < 1e-4
