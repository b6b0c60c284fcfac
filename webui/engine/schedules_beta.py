"""The Beta schedule: noise levels at even shares of a beta distribution, and the inverse of that distribution."""

from __future__ import annotations

import math

from webui.core.errors import InvalidField
from webui.engine.samplers.base import ModelSchedule

_TINY = 1e-300
_EXACT = 1e-15


def beta(steps: int, model: ModelSchedule, beta_dist_alpha: float = 0.6, beta_dist_beta: float = 0.6) -> list[float]:
    """Between sigma_max and sigma_min as the quantiles of a beta distribution lie between 1 and 0, then 0.

    "Beta Sampling is All You Need" (Lee et al. 2024, arXiv 2407.12173), over sigma as Forge has it. Raises
    InvalidField for parameters that are not above 0.
    """
    for name, value in (("beta_dist_alpha", beta_dist_alpha), ("beta_dist_beta", beta_dist_beta)):
        if not value > 0.0:
            raise InvalidField(
                f"The Beta schedule's parameters must be above 0, and this one is {value:g}.",
                field=name,
                remedies=("Set it to 0.6, its default",),
            )
    shares = [1.0 - step / (steps - 1) if steps > 1 else 1.0 for step in range(steps)]
    reach = model.sigma_max - model.sigma_min
    return [model.sigma_min + quantile(share, beta_dist_alpha, beta_dist_beta) * reach for share in shares] + [0.0]


def quantile(share: float, a: float, b: float) -> float:
    """x, 0 to 1, below which `share` of the beta distribution with parameters a and b lies."""
    if share in (0.0, 1.0):
        return share
    low, high = 0.0, 1.0
    x = 0.5
    log_scale = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    for _ in range(100):
        difference = cumulative(x, a, b) - share
        low, high = (low, x) if difference > 0.0 else (x, high)
        density = math.exp(log_scale + (a - 1.0) * math.log(x) + (b - 1.0) * math.log1p(-x))
        # Newton's step, and halving where it would leave what is known to hold the answer.
        after = x - difference / density
        if not low < after < high:
            after = (low + high) / 2.0
        if abs(after - x) <= _EXACT * x or after in (0.0, 1.0):
            return after
        x = after
    return x


def cumulative(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b), 0 < x < 1, by its continued fraction (DLMF 8.17.22)."""
    if x > (a + 1.0) / (a + b + 2.0):
        return 1.0 - cumulative(1.0 - x, b, a)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(log_front) / a / _fraction(x, a, b)


def _fraction(x: float, a: float, b: float) -> float:
    """1 + d1/(1 + d2/(1 + ...)), forwards (Lentz's method)."""
    value, numerator, denominator = 1.0, 1.0, 0.0
    for place in range(1, 1000):
        m = place // 2
        if place % 2:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        denominator = 1.0 / (1.0 + term * denominator or _TINY)
        numerator = 1.0 + term / numerator or _TINY
        value *= numerator * denominator
        if abs(numerator * denominator - 1.0) < _EXACT:
            break
    return value
