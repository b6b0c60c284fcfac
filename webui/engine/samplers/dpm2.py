"""DPM2 and DPM2 ancestral: the slope in the middle of a step, in log sigma, leads the whole step."""

from __future__ import annotations

import math
from itertools import pairwise

from torch import Tensor

from webui.engine.samplers.base import Ask, SamplerContext, Sampling
from webui.engine.samplers.steps import churned, descent, renewed, slope, towards


def dpm_2(x: Tensor, context: SamplerContext) -> Sampling:
    """DPM-Solver-2 in Karras's form: two asks a step, one for a step that ends at 0.

    Lu et al. 2022 (arXiv 2206.00927), with the churn of Karras et al. 2022. Options: s_churn, s_tmin, s_tmax, s_noise.
    """
    for step, (sigma, following) in enumerate(pairwise(context.sigmas)):
        x, sigma = churned(x, sigma, context)
        x = yield from _midpoint_step(x, sigma, following, step)
    return x


def dpm_2_ancestral(x: Tensor, context: SamplerContext) -> Sampling:
    """The same step below the next level, then fresh noise up to it. Options: eta (1), s_noise (1)."""
    eta, s_noise = context.number("eta", 1.0), context.number("s_noise", 1.0)
    for step, (sigma, following) in enumerate(pairwise(context.sigmas)):
        down, keep, up = descent(sigma, following, eta, flow=context.model.flow)
        x = yield from _midpoint_step(x, sigma, down, step)
        x = renewed(x, keep, up, context.noise, s_noise)
    return x


def _midpoint_step(x: Tensor, sigma: float, following: float, step: int) -> Sampling:
    answer = yield Ask(x, sigma, step)
    if following == 0.0:
        return answer.denoised
    middle = math.sqrt(sigma * following)
    guess = towards(x, answer.denoised, middle / sigma)
    second = yield Ask(guess, middle, step)
    return x + slope(guess, second.denoised, middle) * (following - sigma)
