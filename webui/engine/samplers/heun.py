"""Heun's method: a step of Euler, corrected by the slope where it ends."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from webui.engine.samplers.base import Ask, SamplerContext, Sampling
from webui.engine.samplers.steps import churned


def heun(x: Tensor, context: SamplerContext) -> Sampling:
    """Heun's second order (Karras et al. 2022, algorithm 2): two asks a step, one for a step that ends at 0.

    Options: s_churn, s_tmin, s_tmax, s_noise.
    """
    for step, (sigma, following) in enumerate(pairwise(context.sigmas)):
        x, sigma = churned(x, sigma, context)
        answer = yield Ask(x, sigma, step)
        if following == 0.0:
            x = answer.denoised
            continue
        guess = torch.lerp(answer.denoised, x, following / sigma)
        second = yield Ask(guess, following, step)
        slope = (x - answer.denoised) / sigma + (guess - second.denoised) / following
        x = x + slope * ((following - sigma) / 2)
    return x
