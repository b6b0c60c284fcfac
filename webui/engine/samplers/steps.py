"""Arithmetic that several samplers share: the ancestral step and churn."""

from __future__ import annotations

import math

from torch import Tensor

from webui.engine.samplers.base import SamplerContext


def ancestral(sigma: float, following: float, eta: float) -> tuple[float, float]:
    """(down, up): the level to step down to, and the size of the fresh noise that leads from there to `following`.

    down^2 + up^2 = following^2. With eta 1 the step is the posterior of the forward process (DDPM), with 0 no noise.
    """
    up = min(following, eta * following * math.sqrt(max(sigma * sigma - following * following, 0.0)) / sigma)
    return math.sqrt(following * following - up * up), up


def churned(x: Tensor, sigma: float, context: SamplerContext) -> tuple[Tensor, float]:
    """The latent and its level after the noise that s_churn adds before a step (Karras et al. 2022, algorithm 2).

    s_tmin and s_tmax bound the levels that are churned; an s_tmax of 0 is no bound, as in A1111.
    """
    options = context.options
    s_churn = options.get("s_churn", 0.0)
    s_tmax = options.get("s_tmax", 0.0) or math.inf
    if s_churn <= 0.0 or not options.get("s_tmin", 0.0) <= sigma <= s_tmax:
        return x, sigma
    raised = sigma * (1.0 + min(s_churn / (len(context.sigmas) - 1), math.sqrt(2.0) - 1.0))
    added = math.sqrt(raised * raised - sigma * sigma) * options.get("s_noise", 1.0)
    return x + context.noise.normal() * added, raised
