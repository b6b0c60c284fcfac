"""DDIM and DDIM CFG++: the model's own timesteps walked backwards, with as much fresh noise as eta says."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from webui.engine.samplers.base import Ask, SamplerContext, Sampling
from webui.engine.samplers.noise_ratio import in_noise_ratio, in_own_scale
from webui.engine.samplers.steps import ancestral, renewed, towards

CFGPP_SCALE = 12.5
"""The CFG scale that is 1 in the terms of the CFG++ paper, whose scales go from 0 to 1."""


@in_own_scale
@in_noise_ratio
def ddim(x: Tensor, context: SamplerContext) -> Sampling:
    """DDIM (Song et al. 2021, equation 12). Option: eta_ddim (0; 1 is DDPM).

    In sigma space its step is the ancestral one. The final latent is in the model's own scale, in which A1111
    decodes it: its steps end at timestep 1, where a little noise is left.
    """
    eta = context.number("eta_ddim", 0.0)
    for step, (sigma, following) in enumerate(pairwise(context.sigmas)):
        answer = yield Ask(x, sigma, step)
        down, up = ancestral(sigma, following, eta)
        x = renewed(towards(x, answer.denoised, down / sigma), 1.0, up, context.noise)
    return x


@in_own_scale
@in_noise_ratio
def ddim_cfgpp(x: Tensor, context: SamplerContext) -> Sampling:
    """DDIM with CFG++ (Chung et al. 2024, arXiv 2406.08070): noise goes on in the direction without the prompt.

    The guided answer counts with a 12.5th of the CFG scale, as in A1111. Without guidance it is DDIM. Option:
    eta_ddim (0).
    """
    eta = context.number("eta_ddim", 0.0)
    for step, (sigma, following) in enumerate(pairwise(context.sigmas)):
        answer = yield Ask(x, sigma, step)
        free = answer.denoised if answer.uncond is None else answer.uncond
        guided = torch.lerp(free, answer.denoised, 1.0 / CFGPP_SCALE) if answer.uncond is not None else free
        down, up = ancestral(sigma, following, eta)
        x = renewed(guided + (x - free) * (down / sigma), 1.0, up, context.noise)
    return x
