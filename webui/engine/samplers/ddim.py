"""DDIM: the model's own timesteps walked backwards, with as much fresh noise as eta says."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor

from webui.engine.samplers.base import Ask, SamplerContext, Sampling
from webui.engine.samplers.steps import ancestral


def ddim(x: Tensor, context: SamplerContext) -> Sampling:
    """DDIM (Song et al. 2021, equation 12). Options: eta (0; 1 is DDPM), s_noise (1).

    In sigma space its step is the ancestral one. The final latent is in the model's own scale, in which A1111
    decodes it: its steps end at timestep 1, where a little noise is left.
    """
    eta = context.options.get("eta", 0.0)
    s_noise = context.options.get("s_noise", 1.0)
    for step, (sigma, following) in enumerate(pairwise(context.sigmas)):
        answer = yield Ask(x, sigma, step)
        down, up = ancestral(sigma, following, eta)
        x = torch.lerp(answer.denoised, x, down / sigma)
        if up > 0.0:
            x = x + context.noise.normal() * (up * s_noise)
    return x / math.hypot(1.0, context.sigmas[-1])
