"""Euler and Euler ancestral: one step of the probability-flow equation, without and with fresh noise; DDPM."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from torch import Tensor

from webui.engine.samplers.base import Ask, SamplerContext, Sampling
from webui.engine.samplers.steps import churned, descent, renewed, towards


def euler(x: Tensor, context: SamplerContext) -> Sampling:
    """Euler's method (Karras et al. 2022, algorithm 2 without its correction). Options: s_churn and its limits."""
    for step, (sigma, following) in enumerate(pairwise(context.sigmas)):
        x, sigma = churned(x, sigma, context)
        answer = yield Ask(x, sigma, step)
        x = towards(x, answer.denoised, following / sigma)
    return x


def euler_ancestral(x: Tensor, context: SamplerContext) -> Sampling:
    """Euler's method below the next level, then fresh noise up to it. Option: eta (1)."""
    eta = context.number("eta", 1.0)
    for step, (sigma, following) in enumerate(pairwise(context.sigmas)):
        answer = yield Ask(x, sigma, step)
        down, keep, up = descent(sigma, following, eta, flow=context.model.flow)
        x = renewed(towards(x, answer.denoised, down / sigma), keep, up, context.noise)
    return x


def ddpm(x: Tensor, context: SamplerContext) -> Sampling:
    """DDPM (Ho et al. 2020, algorithm 2): draws from the posterior of the forward process.

    In sigma space that is the ancestral step with eta 1.
    """
    return euler_ancestral(x, replace(context, options={}))
