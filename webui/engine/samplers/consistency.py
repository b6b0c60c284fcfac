"""LCM: for models that see the finished picture in any noise."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor

from webui.engine.samplers.base import Ask, SamplerContext, Sampling
from webui.engine.samplers.steps import renewal, renewed


def lcm(x: Tensor, context: SamplerContext) -> Sampling:
    """Multistep consistency sampling (Luo et al. 2023, arXiv 2310.04378): the answer, with fresh noise to the next
    level.
    """
    for step, (sigma, following) in enumerate(pairwise(context.sigmas)):
        answer = yield Ask(x, sigma, step)
        keep, up = renewal(0.0, following, flow=context.model.flow)
        x = renewed(answer.denoised, keep, up, context.noise)
    return x
