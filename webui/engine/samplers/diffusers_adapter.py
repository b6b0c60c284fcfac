"""diffusers' scheduler classes as samplers: a generator between our (x, sigma, denoised) and the class's scale."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from webui.engine.samplers.base import Ask, SamplerContext, SamplerFunction, Sampling
from webui.engine.samplers.noise_ratio import in_noise_ratio


@dataclass(frozen=True)
class Walk:
    """A class's instance that stands before its first step, and what it is to be asked about.

    levels: noise level of each ask, and after them that of the final latent. steps: the step of each ask. timesteps:
    what the class calls them.
    """

    scheduler: Any
    levels: Sequence[float]
    steps: Sequence[int]
    timesteps: Sequence[Any]


@dataclass(frozen=True)
class Form:
    """How a class sees latents.

    prepare: (class, context, options) -> Walk. scale: what a latent at a noise level is divided by for the class.
    output: (latent in the class's scale, denoised, noise level) -> what a model would have told the class. options: of
    its constructor. random: whether its steps take a `generator`. reaches_zero: whether the class can step to a noise
    level of 0; where it cannot, the last answer is the picture.
    """

    prepare: Callable[[Any, SamplerContext, dict[str, Any]], Walk]
    scale: Callable[[float], float]
    output: Callable[[Tensor, Tensor, float], Tensor]
    options: dict[str, Any] = field(default_factory=dict)
    random: bool = False
    reaches_zero: bool = True


def sampler_of(kind: Any, form: Form) -> SamplerFunction:
    """A sampler that lets an instance of the class make the steps."""

    @in_noise_ratio
    def through(x: Tensor, context: SamplerContext) -> Sampling:
        return through_class(kind, form, x, context)

    return through


def through_class(kind: Any, form: Form, x: Tensor, context: SamplerContext) -> Sampling:
    """Samples with an instance of the class, one for each call.

    The class gets our levels in place of its own, and what a model of the kind it expects would predict, so whatever
    the real model predicts never concerns it. Levels and timesteps stay on the host, and the place in them is counted.

    Classes that go back to earlier latents would undo what hooks change. So a class sees its own latents only, and
    what hooks have added is carried beside them, shrinking with the noise level as the way to one picture does.
    """
    walk = form.prepare(kind, context, form.options)
    extra = {"generator": _generators(context, len(x))} if form.random else {}
    own, carried = x, torch.zeros_like(x)
    for place, (step, timestep) in enumerate(zip(walk.steps, walk.timesteps, strict=True)):
        sigma, following = walk.levels[place], walk.levels[place + 1]
        asked = own + carried
        answer = yield Ask(asked, sigma, step)
        if following == 0.0 and not form.reaches_zero:
            return answer.denoised
        carried = (asked - own) * (following / sigma)
        sample = own / form.scale(sigma)
        told = form.output(sample, answer.denoised, sigma)
        own = walk.scheduler.step(told, timestep, sample, return_dict=False, **extra)[0] * form.scale(following)
    return own + carried


def _generators(context: SamplerContext, count: int) -> list[torch.Generator]:
    """A generator for each picture, seeded by a draw of the picture's own."""
    bits = context.noise.normal().cpu().reshape(count, -1)[:, :2].contiguous().view(torch.int32)
    return [
        torch.Generator("cpu").manual_seed((high & 0x7FFFFFFF) << 32 | low & 0xFFFFFFFF) for high, low in bits.tolist()
    ]


def as_it_is(sigma: float) -> float:
    """The scale of clean + sigma * noise."""
    return 1.0


def unit_variance(sigma: float) -> float:
    """The scale of variance-preserving classes."""
    return math.hypot(1.0, sigma)


def straight(sigma: float) -> float:
    """The scale of flow classes, (1 - t) * clean + t * noise, where t = sigma / (1 + sigma)."""
    return 1.0 + sigma


def clean(sample: Tensor, denoised: Tensor, sigma: float) -> Tensor:
    """For classes that take predictions of type "sample"."""
    return denoised


def noise_of(scale: Callable[[float], float]) -> Callable[[Tensor, Tensor, float], Tensor]:
    """For classes that take predictions of type "epsilon" about latents of this scale."""
    return lambda sample, denoised, sigma: (sample * scale(sigma) - denoised) / sigma


def angular(sample: Tensor, denoised: Tensor, sigma: float) -> Tensor:
    """For classes that take predictions of type "v" about latents of unit variance."""
    return (sample - denoised * math.hypot(1.0, sigma)) / sigma


def velocity(sample: Tensor, denoised: Tensor, sigma: float) -> Tensor:
    """For flow classes: noise - clean."""
    return (sample * (1.0 + sigma) - denoised) / sigma - denoised
