"""Arithmetic that several samplers share: going down and up again with fresh noise, churn, phi functions."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from webui.engine.samplers.base import Noise, SamplerContext

CHURN_LIMIT = math.sqrt(2.0) - 1.0


def ancestral(sigma: float, following: float, eta: float) -> tuple[float, float]:
    """(down, up): the level to step down to, and the size of the fresh noise that leads from there to `following`.

    down^2 + up^2 = following^2. With eta 1 the step is the posterior of the forward process (DDPM), with 0 no noise.
    """
    up = min(following, eta * following * math.sqrt(max(sigma * sigma - following * following, 0.0)) / sigma)
    return math.sqrt(following * following - up * up), up


def renewal(low: float, high: float, *, flow: bool) -> tuple[float, float]:
    """(keep, up): a latent at the level `low` becomes one at `high` as keep * latent + up * unit noise.

    low <= high. Of a flow model the clean latent's share shrinks too, so the latent is scaled.
    """
    keep = (1.0 - high) / (1.0 - low) if flow and low < 1.0 else 1.0
    return keep, math.sqrt(max(high * high - (low * keep) ** 2, 0.0))


def descent(sigma: float, following: float, eta: float, *, flow: bool) -> tuple[float, float, float]:
    """(down, keep, up) of an ancestral step: go down to `down`, then on to `following` as keep * x + up * noise.

    Of a flow model `down` is following * (1 + eta * (following / sigma - 1)), the form that ancestral samplers for
    rectified flows share: with eta 0 nothing is renewed, with 1 it is following^2 / sigma.
    """
    if not flow:
        down, up = ancestral(sigma, following, eta)
        return down, 1.0, up
    down = following * max(1.0 + eta * (following / sigma - 1.0), 0.0)
    return down, *renewal(down, following, flow=True)


def renewed(x: Tensor, keep: float, up: float, noise: Noise, s_noise: float = 1.0) -> Tensor:
    """keep * x, and fresh noise of the size `up` times s_noise."""
    if up <= 0.0:
        return x
    return x * keep + noise.normal() * (up * s_noise)


def churned(x: Tensor, sigma: float, context: SamplerContext) -> tuple[Tensor, float]:
    """The latent and its level after the noise that s_churn adds before a step (Karras et al. 2022, algorithm 2).

    s_tmin and s_tmax bound the levels that are churned; an s_tmax of 0 is no bound, as in A1111. The level of a flow
    model stays below 1, which is pure noise already.
    """
    s_churn = context.number("s_churn", 0.0)
    s_tmax = context.number("s_tmax", 0.0) or math.inf
    if s_churn <= 0.0 or not context.number("s_tmin", 0.0) <= sigma <= s_tmax:
        return x, sigma
    raised = sigma * (1.0 + min(s_churn / (len(context.sigmas) - 1), CHURN_LIMIT))
    if context.model.flow:
        raised = max(sigma, min(raised, context.model.sigma_max))
    keep, up = renewal(sigma, raised, flow=context.model.flow)
    return renewed(x, keep, up, context.noise, context.number("s_noise", 1.0)), raised


def slope(x: Tensor, denoised: Tensor, sigma: float) -> Tensor:
    """How the latent changes with the noise level on the noise-free path; a flow model's velocity."""
    return (x - denoised) / sigma


def towards(x: Tensor, denoised: Tensor, share: float) -> Tensor:
    """The latent on the straight way to the clean one with `share` of its noise left."""
    return torch.lerp(denoised, x, share)
