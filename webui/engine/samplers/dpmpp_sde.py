"""SDE-DPM-Solver++ with Brownian noise: SDE, 2M SDE in two forms, and 3M SDE."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from webui.engine.samplers.base import Ask, SamplerContext, Sampling
from webui.engine.samplers.noise_ratio import in_noise_ratio
from webui.engine.samplers.steps import ancestral, towards


@in_noise_ratio
def dpmpp_sde(x: Tensor, context: SamplerContext) -> Sampling:
    """SDE-DPM-Solver++(2S) with r = 1/2: asks here and in the middle of the step, in log sigma; the second answer
    leads the whole step.

    One ask for a step that ends at 0. Options: eta (1), s_noise (1).
    """
    eta = context.number("eta", 1.0)
    for step, (sigma, following) in enumerate(pairwise(context.sigmas)):
        answer = yield Ask(x, sigma, step)
        if following == 0.0:
            x = answer.denoised
            continue
        middle = math.sqrt(sigma * following)
        guess = _ancestral_step(x, answer.denoised, sigma, middle, eta, context)
        second = yield Ask(guess, middle, step)
        x = _ancestral_step(x, second.denoised, sigma, following, eta, context)
    return x


def _ancestral_step(
    x: Tensor, denoised: Tensor, sigma: float, following: float, eta: float, context: SamplerContext
) -> Tensor:
    down, up = ancestral(sigma, following, eta)
    return _noised(towards(x, denoised, down / sigma), sigma, following, up, context)


def _noised(x: Tensor, sigma: float, following: float, size: float, context: SamplerContext) -> Tensor:
    """With the motion's increment of this step, `size` times s_noise strong."""
    size = size * context.number("s_noise", 1.0)
    return x + context.noise.brownian(sigma, following) * size if size > 0.0 else x


@in_noise_ratio
def dpmpp_2m_sde(x: Tensor, context: SamplerContext) -> Sampling:
    """SDE-DPM-Solver++(2M), midpoint form (Lu et al. 2022): one ask a step and Brownian noise.

    A step that ends at 0 takes the answer as it is. Options: eta (1; 0 makes it DPM++ 2M), s_noise (1).
    """
    return _multistep(x, context, lambda reach: -math.expm1(-reach) / 2, 2)


@in_noise_ratio
def dpmpp_2m_sde_heun(x: Tensor, context: SamplerContext) -> Sampling:
    """The same, with the slope between the last two answers integrated exactly ("solver heun")."""
    return _multistep(x, context, phi_2, 2)


@in_noise_ratio
def dpmpp_3m_sde(x: Tensor, context: SamplerContext) -> Sampling:
    """SDE-DPM-Solver++(3M): a parabola through the last three answers, integrated exactly; one ask a step.

    Katherine Crowson's third-order form of Lu et al.'s method. Options: eta (1), s_noise (1).
    """
    return _multistep(x, context, phi_2, 3)


def phi_2(reach: float) -> float:
    """(exp(-reach) - 1) / reach + 1: what a slope of 1 in the answers adds in a step of this length."""
    return math.expm1(-reach) / reach + 1.0


def _multistep(x: Tensor, context: SamplerContext, weight: Callable[[float], float], order: int) -> Sampling:
    """The shared walk: `weight` is that of the first difference of the answers, for a reach of (1 + eta) h."""
    eta = context.number("eta", 1.0)
    answers: list[Tensor] = []
    lengths: list[float] = []
    for step, (sigma, following) in enumerate(pairwise(context.sigmas)):
        denoised = (yield Ask(x, sigma, step)).denoised
        if following == 0.0:
            x = denoised
            continue
        h = math.log(sigma / following)
        reach = h * (1.0 + eta)
        x = torch.lerp(denoised, x, math.exp(-reach))
        if answers:
            x = x + _correction([denoised, *answers], [length / h for length in lengths], reach, weight)
        x = _noised(x, sigma, following, following * math.sqrt(-math.expm1(-2.0 * eta * h)), context)
        answers = [denoised, *answers][: order - 1]
        lengths = [h, *lengths][: order - 1]
    return x


def _correction(answers: list[Tensor], ratios: list[float], reach: float, weight: Callable[[float], float]) -> Tensor:
    """What the differences of the last two or three answers (newest first) add; ratios: earlier steps' lengths / h."""
    first = (answers[0] - answers[1]) / ratios[0]
    if len(answers) == 2:
        return first * weight(reach)
    second = (answers[1] - answers[2]) / ratios[1]
    bend = (first - second) / (ratios[0] + ratios[1])
    phi_3 = phi_2(reach) / reach - 0.5
    return (first + bend * ratios[0]) * phi_2(reach) - bend * phi_3
