"""Euler and Euler ancestral: one step of the probability-flow equation, without and with fresh noise."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from webui.engine.samplers.base import Ask, SamplerContext, Sampling
from webui.engine.samplers.steps import ancestral, churned


def euler(x: Tensor, context: SamplerContext) -> Sampling:
    """Euler's method (Karras et al. 2022, algorithm 2 without its correction). Options: s_churn and its limits."""
    for step, (sigma, following) in enumerate(pairwise(context.sigmas)):
        x, sigma = churned(x, sigma, context)
        answer = yield Ask(x, sigma, step)
        x = torch.lerp(answer.denoised, x, following / sigma)
    return x


def euler_ancestral(x: Tensor, context: SamplerContext) -> Sampling:
    """Euler's method below the next level, then fresh noise up to it. Options: eta (1), s_noise (1)."""
    eta = context.options.get("eta", 1.0)
    s_noise = context.options.get("s_noise", 1.0)
    for step, (sigma, following) in enumerate(pairwise(context.sigmas)):
        answer = yield Ask(x, sigma, step)
        down, up = ancestral(sigma, following, eta)
        x = torch.lerp(answer.denoised, x, down / sigma)
        if up > 0.0:
            x = x + context.noise.normal() * (up * s_noise)
    return x
