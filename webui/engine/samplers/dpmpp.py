"""DPM-Solver++ in two multistep forms: 2M, and 2M SDE with Brownian noise."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor

from webui.engine.samplers.base import Ask, SamplerContext, Sampling


def dpmpp_2m(x: Tensor, context: SamplerContext) -> Sampling:
    """DPM-Solver++(2M) (Lu et al. 2022, algorithm 2): one ask a step, the last answer gives the second order.

    The first step, and a step that ends at 0, are of first order.
    """
    previous: Tensor | None = None
    last_h = math.nan
    for step, (sigma, following) in enumerate(pairwise(context.sigmas)):
        answer = yield Ask(x, sigma, step)
        denoised = answer.denoised
        h = math.log(sigma / following) if following > 0.0 else math.inf
        target = denoised
        if previous is not None and following > 0.0:
            # With r = last_h / h this is (1 + 1 / 2r) denoised - (1 / 2r) previous.
            target = torch.lerp(denoised, previous, -h / (2.0 * last_h))
        x = torch.lerp(target, x, following / sigma)
        previous, last_h = denoised, h
    return x


def dpmpp_2m_sde(x: Tensor, context: SamplerContext) -> Sampling:
    """SDE-DPM-Solver++(2M), midpoint form (Lu et al. 2022): one ask a step and Brownian noise.

    A step that ends at 0 takes the answer as it is. Options: eta (1; 0 makes it DPM++ 2M), s_noise (1).
    """
    eta = context.options.get("eta", 1.0)
    s_noise = context.options.get("s_noise", 1.0)
    previous: Tensor | None = None
    last_h = math.nan
    for step, (sigma, following) in enumerate(pairwise(context.sigmas)):
        answer = yield Ask(x, sigma, step)
        denoised = answer.denoised
        if following == 0.0:
            x = denoised
            continue
        h = math.log(sigma / following)
        target = denoised
        if previous is not None:
            target = torch.lerp(denoised, previous, -h / (2.0 * last_h))
        x = torch.lerp(target, x, math.exp(-h * (1.0 + eta)))
        size = following * math.sqrt(-math.expm1(-2.0 * eta * h)) * s_noise
        if size > 0.0:
            x = x + context.noise.brownian(sigma, following) * size
        previous, last_h = denoised, h
    return x
