"""Heun's method: a step of Euler, corrected by the slope where it ends; and Heun++ with a third slope."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor

from webui.engine.samplers.base import Ask, SamplerContext, Sampling
from webui.engine.samplers.steps import churned, slope, towards


def heun(x: Tensor, context: SamplerContext) -> Sampling:
    """Heun's second order (Karras et al. 2022, algorithm 2): two asks a step, one for a step that ends at 0.

    Options: s_churn, s_tmin, s_tmax, s_noise.
    """
    for step, (sigma, following) in enumerate(pairwise(context.sigmas)):
        x, sigma = churned(x, sigma, context)
        x = yield from heun_step(x, sigma, following, step)
    return x


def heun_step(x: Tensor, sigma: float, following: float, step: int) -> Sampling:
    """The latent at `following` after one step of Heun's method from `sigma`."""
    answer = yield Ask(x, sigma, step)
    if following == 0.0:
        return answer.denoised
    guess = towards(x, answer.denoised, following / sigma)
    second = yield Ask(guess, following, step)
    both = slope(x, answer.denoised, sigma) + slope(guess, second.denoised, following)
    return x + both * ((following - sigma) / 2)


def heunpp2(x: Tensor, context: SamplerContext) -> Sampling:
    """Heun++ (as Forge has it): slopes here, at the next level and at the one after, weighted by their levels.

    A later slope's weight is its level over 3 times the first level (2 times where only two slopes are taken), the
    first slope has the rest. Three asks a step, two in the last step but one, one in the last.
    """
    sigmas = context.sigmas
    for step, (sigma, following) in enumerate(pairwise(sigmas)):
        answer = yield Ask(x, sigma, step)
        first = mean = latest = slope(x, answer.denoised, sigma)
        guess, at = x, sigma
        # The end of the way gives no slope of its own.
        levels = sigmas[step + 1 : min(step + 3, len(sigmas) - 1)]
        whole = (len(levels) + 1) * sigmas[0]
        for level in levels:
            guess = guess + latest * (level - at)
            at = level
            answer = yield Ask(guess, level, step)
            latest = slope(guess, answer.denoised, level)
            mean = mean + (latest - first) * (level / whole)
        x = x + mean * (following - sigma)
    return x
