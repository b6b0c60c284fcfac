"""DPM-Solver++ without Brownian noise: 2M, which remembers its last answer, and 2S ancestral, which asks twice."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor

from webui.engine.samplers.base import Ask, SamplerContext, Sampling
from webui.engine.samplers.noise_ratio import in_noise_ratio
from webui.engine.samplers.steps import ancestral, renewed, towards


@in_noise_ratio
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


@in_noise_ratio
def dpmpp_2s_ancestral(x: Tensor, context: SamplerContext) -> Sampling:
    """DPM-Solver++(2S) below the next level (Lu et al. 2022, algorithm 1, r = 1/2), then fresh noise up to it.

    Two asks a step, one for a step down to 0. Options: eta (1), s_noise (1).
    """
    eta, s_noise = context.number("eta", 1.0), context.number("s_noise", 1.0)
    for step, (sigma, following) in enumerate(pairwise(context.sigmas)):
        answer = yield Ask(x, sigma, step)
        down, up = ancestral(sigma, following, eta)
        target = answer.denoised
        if down > 0.0:
            middle = math.sqrt(sigma * down)
            second = yield Ask(towards(x, target, middle / sigma), middle, step)
            target = second.denoised
        x = renewed(towards(x, target, down / sigma), 1.0, up, context.noise, s_noise)
    return x
