"""Samplers between scales: written in the ratio of noise to picture they work for flow models too."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import wraps

from torch import Tensor

from webui.engine.samplers.base import Noise, SamplerContext, SamplerFunction, Sampling

LEAST_SIGNAL = 1e-4
"""What counts as the picture's share in pure noise, whose ratio would be infinite."""


def in_noise_ratio(sampler: SamplerFunction) -> SamplerFunction:
    """A sampler that knows only clean + sigma * noise, for models of every kind.

    A flow model's (1 - sigma) * clean + sigma * noise, divided by 1 - sigma, is such a latent at the level
    sigma / (1 - sigma), whose logarithm is the negative half of the log signal-to-noise ratio in which the DPM-Solver
    papers count. So a sampler that steps in this logarithm is right for flow models without knowing of them.
    """

    @wraps(sampler)
    def universal(x: Tensor, context: SamplerContext) -> Sampling:
        return _translated(sampler, x, context) if context.model.flow else sampler(x, context)

    return universal


def in_own_scale(sampler: SamplerFunction) -> SamplerFunction:
    """A sampler whose final latent is divided by what noise is left in it, as a model of unit variance has it.

    A1111's samplers on timesteps end so. Flow models have one scale only.
    """

    @wraps(sampler)
    def scaled(x: Tensor, context: SamplerContext) -> Sampling:
        latent = yield from sampler(x, context)
        return latent if context.model.flow else latent / math.hypot(1.0, context.sigmas[-1])

    return scaled


def _signal(sigma: float) -> float:
    return max(1.0 - sigma, LEAST_SIGNAL)


def _translated(sampler: SamplerFunction, x: Tensor, context: SamplerContext) -> Sampling:
    first = context.sigmas[0]
    ratios = [sigma / _signal(sigma) for sigma in context.sigmas]

    def level(ratio: float) -> float:
        return first if ratio >= ratios[0] else ratio / (1.0 + ratio)

    inner = replace(
        context,
        sigmas=ratios,
        noise=_RatioNoise(context.noise, level),
        model=_RatioModel(
            [sigma / _signal(sigma) for sigma in context.model.sigmas],
            context.model.timestep,
            context.model.sigma,
            level,
        ),
    )
    sampling = sampler(x / _signal(first), inner)
    try:
        asked = next(sampling)
        while True:
            sigma = level(asked.sigma)
            outer = replace(asked, x=asked.x * _signal(sigma), sigma=sigma)
            answer = yield outer
            # What a hook wrote into the latent reaches the sampler in its own scale.
            asked.x.copy_(outer.x / _signal(sigma))
            asked = sampling.send(answer)
    except StopIteration as end:
        latent: Tensor = end.value
        return latent * _signal(context.sigmas[-1]) if context.sigmas[-1] > 0.0 else latent


@dataclass(frozen=True)
class _RatioNoise:
    """The lane's noise; its Brownian motion runs over the model's own levels."""

    noise: Noise
    level: Callable[[float], float]

    def normal(self) -> Tensor:
        return self.noise.normal()

    def brownian(self, sigma: float, sigma_next: float) -> Tensor:
        return self.noise.brownian(self.level(sigma), self.level(sigma_next))


class _RatioModel:
    """A flow model's schedule in ratios of noise to picture."""

    flow = False
    aligned_as = ""

    def __init__(
        self,
        sigmas: Sequence[float],
        timestep: Callable[[float], float],
        sigma: Callable[[float], float],
        level: Callable[[float], float],
    ) -> None:
        self.sigmas = sigmas
        self.sigma_min, self.sigma_max = sigmas[0], sigmas[-1]
        self._timestep, self._sigma, self._level = timestep, sigma, level

    def timestep(self, sigma: float) -> float:
        return self._timestep(self._level(sigma))

    def sigma(self, timestep: float) -> float:
        sigma = self._sigma(timestep)
        return sigma / _signal(sigma)
