"""The sampler itself. Loaded by the worker only, where torch is at home."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor

from webui.extend.worker import Ask, SamplerContext, Sampling


def ralston(x: Tensor, context: SamplerContext) -> Sampling:
    """Ralston's second order: the slope here and the slope two thirds of the way, weighted 1 to 3.

    Each `yield Ask(latent, noise level, step)` is answered with the clean picture that the model sees in the latent.
    """
    for step, (sigma, following) in enumerate(pairwise(context.sigmas)):
        distance = following - sigma
        here = yield Ask(x, sigma, step)
        slope = (x - here.denoised) / sigma

        further = sigma + distance * 2 / 3
        guess = x + slope * (distance * 2 / 3)
        there = yield Ask(guess, further, step)
        slope_there = (guess - there.denoised) / further

        x = x + (slope + 3 * slope_there) * (distance / 4)
    return x
