"""How instances of diffusers' scheduler classes are made to walk our noise levels, by the way they keep their own."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from webui.engine.samplers.base import SamplerContext
from webui.engine.samplers.diffusers_adapter import Walk

Middle = Callable[[Any, int], float]
"""(an instance, the place of a second ask) -> its noise level."""


def _timesteps(context: SamplerContext, levels: Sequence[float]) -> Tensor:
    return torch.tensor([context.model.timestep(sigma) for sigma in levels])


def _plain(scheduler: Any, context: SamplerContext, timesteps: Sequence[Any]) -> Walk:
    """One ask a step."""
    count = len(context.sigmas) - 1
    return Walk(scheduler, context.sigmas, range(count), timesteps[:count])


def listed(kind: Any, context: SamplerContext, options: dict[str, Any]) -> Walk:
    """Classes that keep their levels in `sigmas`, as ours; the place in them is counted.

    Looked up by their timestep, levels beyond the model's ends would be taken for one another.
    """
    return _listed(kind, context, options, context.sigmas, _timesteps(context, context.sigmas[:-1]))


def listed_straight(kind: Any, context: SamplerContext, options: dict[str, Any]) -> Walk:
    """The same where the levels are a flow's, sigma / (1 + sigma)."""
    times = _times(context)
    return _listed(kind, context, options, times, torch.tensor(times[:-1]) * 1000)


def _times(context: SamplerContext) -> list[float]:
    """A flow's levels, 0 to 1."""
    return [sigma / (1.0 + sigma) for sigma in context.sigmas]


def _listed(
    kind: Any, context: SamplerContext, options: dict[str, Any], levels: Sequence[float], timesteps: Tensor
) -> Walk:
    ends = {"final_sigmas_type": "zero" if context.sigmas[-1] == 0.0 else "sigma_min"}
    known = {name: value for name, value in ends.items() if name in kind._get_init_keys(kind)}
    scheduler = kind(**options, **known)
    scheduler.set_timesteps(len(levels) - 1, device="cpu")
    scheduler.sigmas = torch.tensor(levels, dtype=torch.float32)
    scheduler.timesteps = timesteps
    scheduler.is_scale_input_called = True
    scheduler.set_begin_index(0)
    return _plain(scheduler, context, scheduler.timesteps)


def timed_backwards(kind: Any, context: SamplerContext, options: dict[str, Any]) -> Walk:
    """MiniMax-H3's flow, whose timesteps are 1 - level and tell the class the level too."""
    scheduler = kind(**options)
    scheduler.sigmas = torch.tensor(_times(context), dtype=torch.float32)
    scheduler.set_begin_index(0)
    return _plain(scheduler, context, 1.0 - scheduler.sigmas)


def moved(prepare: Callable[[Any, SamplerContext, dict[str, Any]], Walk]) -> Callable[..., Walk]:
    """The same for classes that take Brownian noise: it is each picture's own, in place of torchsde's."""

    def prepared(kind: Any, context: SamplerContext, options: dict[str, Any]) -> Walk:
        """The walk of an instance that asks the lane for noise, between two of its levels."""
        walk = prepare(kind, context, options)

        def level(told: Any) -> float:
            """Of the walk's levels the one that is meant: the class computes in single precision."""
            return min(walk.levels, key=lambda known: abs(known - float(told)))

        walk.scheduler.noise_sampler = lambda sigma, after: context.noise.brownian(level(sigma), level(after))
        return walk

    return prepared


def angled(kind: Any, context: SamplerContext, options: dict[str, Any]) -> Walk:
    """SCM, whose timesteps are angles between picture and noise."""
    scheduler = kind(**options)
    scheduler.num_inference_steps = len(context.sigmas) - 1
    scheduler.timesteps = torch.tensor([math.atan(sigma / scheduler.config.sigma_data) for sigma in context.sigmas])
    scheduler.set_begin_index(0)
    return _plain(scheduler, context, scheduler.timesteps)


def timed_by_level(kind: Any, context: SamplerContext, options: dict[str, Any]) -> Walk:
    """Würstchen's DDPM, whose timesteps are told as tensors and looked up: ours are the noise levels themselves."""
    scheduler = kind(**options)
    scheduler.timesteps = torch.tensor(context.sigmas)
    scheduler._alpha_cumprod = lambda level, device: 1.0 / (1.0 + level.to(device) ** 2)
    return _plain(scheduler, context, [level[None] for level in scheduler.timesteps])


def mixed(kind: Any, context: SamplerContext, options: dict[str, Any]) -> Walk:
    """IPNDM, whose levels are shares of noise and of picture."""
    scheduler = kind(**options)
    scheduler.set_timesteps(len(context.sigmas) - 1, device="cpu")
    scheduler.alphas = torch.tensor([1.0 / math.hypot(1.0, sigma) for sigma in context.sigmas])
    scheduler.betas = torch.tensor([sigma / math.hypot(1.0, sigma) for sigma in context.sigmas])
    scheduler.timesteps = _timesteps(context, context.sigmas[:-1])
    scheduler.set_begin_index(0)
    return _plain(scheduler, context, scheduler.timesteps)


def interleaved(middle: Middle) -> Callable[[Any, SamplerContext, dict[str, Any]], Walk]:
    """Classes that ask twice a step and lay out their levels in set_timesteps, which get ours as if they were Karras's.

    They always end at 0. For levels that end above it they get one more, and their last step is left out.
    """

    def prepare(kind: Any, context: SamplerContext, options: dict[str, Any]) -> Walk:
        """The class with Karras's levels replaced."""
        clean = context.sigmas[-1] == 0.0
        levels = np.array(context.sigmas[:-1] if clean else context.sigmas)
        scheduler = kind(**options, use_karras_sigmas=True)
        scheduler._convert_to_karras = lambda in_sigmas, num_inference_steps=None: levels
        scheduler._sigma_to_t = lambda sigma, log_sigmas: context.model.timestep(float(sigma))
        scheduler.set_timesteps(len(levels), device="cpu")
        scheduler.set_begin_index(0)
        return _twice(scheduler, context, middle)

    return prepare


def interleaved_straight(kind: Any, context: SamplerContext, options: dict[str, Any]) -> Walk:
    """The same where the levels are a flow's and may simply be put in place."""
    scheduler = kind(**options)
    levels = torch.tensor(_times(context), dtype=torch.float32)
    levels = levels if context.sigmas[-1] == 0.0 else torch.cat([levels, torch.zeros(1)])
    scheduler.sigmas = torch.cat([levels[:1], levels[1:-1].repeat_interleave(2), levels[-1:]])
    scheduler.timesteps = scheduler.sigmas[:-1] * scheduler.config.num_train_timesteps
    scheduler.prev_derivative = scheduler.dt = None
    scheduler.set_begin_index(0)
    return _twice(scheduler, context, lambda _, place: context.sigmas[(place + 1) // 2])


def _twice(scheduler: Any, context: SamplerContext, middle: Middle) -> Walk:
    """Two asks a step, one in a step that ends at 0."""
    count = 2 * (len(context.sigmas) - 1) - (context.sigmas[-1] == 0.0)
    levels = [middle(scheduler, place) if place % 2 else context.sigmas[place // 2] for place in range(count)]
    steps = [place // 2 for place in range(count)]
    return Walk(scheduler, [*levels, context.sigmas[-1]], steps, scheduler.timesteps[:count])


def tabled(kind: Any, context: SamplerContext, options: dict[str, Any]) -> Walk:
    """Classes that step through whole timesteps of a table of alphas: their table is made of our levels.

    One that is not clean at the end is one entry longer, whose step is left out.
    """
    clean = context.sigmas[-1] == 0.0
    levels = list(context.sigmas[:-1] if clean else context.sigmas)
    count = len(levels)
    scheduler = kind(**options, num_train_timesteps=count)
    scheduler.num_inference_steps = count
    scheduler.alphas_cumprod = torch.tensor([1.0 / (1.0 + sigma * sigma) for sigma in reversed(levels)])
    before = torch.cat([torch.ones(1), scheduler.alphas_cumprod[:-1]])
    scheduler.alphas = scheduler.alphas_cumprod / before
    scheduler.betas = 1.0 - scheduler.alphas
    return _plain(scheduler, context, list(range(count - 1, -1, -1)))


def tabled_twice_first(kind: Any, context: SamplerContext, options: dict[str, Any]) -> Walk:
    """PNDM: the same, with a first step that asks at its end too."""
    walk = tabled(kind, context, options)
    walk.scheduler.prk_timesteps = []
    first, *later = list(walk.timesteps)
    if not later and context.sigmas[-1] == 0.0:
        return walk
    # The second ask is about the same timestep as the next step's first.
    second = later[0] if later else first - 1
    sigmas = context.sigmas
    if sigmas[1] == 0.0:
        return walk
    return Walk(walk.scheduler, [sigmas[0], sigmas[1], *sigmas[1:]], [0, *walk.steps], [first, second, *later])


class Remembering:
    """CogVideoX's DPM, whose last answer and last timestep are to be handed to it again."""

    def __init__(self, scheduler: Any) -> None:
        self._scheduler = scheduler
        self._last: tuple[Any, Any] = (None, None)

    def step(self, told: Tensor, timestep: Any, sample: Tensor, **options: Any) -> tuple[Tensor, ...]:
        """The class's own step."""
        answer, before = self._last
        made: tuple[Tensor, ...] = self._scheduler.step(told, answer, timestep, before, sample, **options)
        self._last = (made[1], timestep)
        return made


def tabled_remembering(kind: Any, context: SamplerContext, options: dict[str, Any]) -> Walk:
    """The same for a class that is told its last answer."""
    walk = tabled(kind, context, options)
    return _plain(Remembering(walk.scheduler), context, walk.timesteps)


class Curve:
    """The share of the picture's variance at a timestep, fractions included, in place of a class's table.

    Timestep 0 is no noise at all where the way ends so: classes mean the end of it by that.
    """

    def __init__(self, context: SamplerContext) -> None:
        self._sigma = context.model.sigma
        self._clean = context.sigmas[-1] == 0.0

    def __getitem__(self, timestep: float | Tensor) -> Tensor:
        place = float(timestep)
        sigma = 0.0 if place <= 0.0 and self._clean else self._sigma(place)
        return torch.tensor(1.0 / (1.0 + sigma * sigma))


def curved(kind: Any, context: SamplerContext, options: dict[str, Any]) -> Walk:
    """Classes that step from one of their `timesteps` to the next, which may lie anywhere in the model's."""
    scheduler = kind(**options)
    clean = context.sigmas[-1] == 0.0
    levels = context.sigmas[:-1] if clean else context.sigmas
    scheduler.num_inference_steps = len(levels)
    scheduler.timesteps = _timesteps(context, levels)
    scheduler.alphas_cumprod = Curve(context)
    scheduler.set_begin_index(0)
    return _plain(scheduler, context, scheduler.timesteps)
