"""Schedules: how the noise is spread over the steps. Formulas and names are A1111's; all values are host floats."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from webui.core.registry import Registry, Sampler, Schedule
from webui.engine.samplers.base import ModelSchedule

KARRAS_RHO = 7.0

AUTOMATIC = "Automatic"
UNIFORM = "Uniform"


def noise_levels(
    sampler: Sampler,
    schedule: Schedule,
    steps: int,
    model: ModelSchedule,
    registry: Registry,
    resolve: Callable[[str], Any],
) -> list[float]:
    """The falling noise levels that this sampler walks under the schedule a person chose.

    Automatic means the sampler's own schedule, and with a flow model the one of its training. Samplers that walk the
    model's timesteps (`uses_timesteps`) take `timesteps` under Automatic and Uniform and any other schedule as it is.
    `resolve` turns "module:function" into the function. The list has one entry more than there are steps to walk.
    """
    if schedule.name == AUTOMATIC and model.flow:
        return flow(steps, model)
    if schedule.name == AUTOMATIC:
        schedule = registry.schedules.get(sampler.schedule)
    if sampler.uses_timesteps and schedule.name in (AUTOMATIC, UNIFORM):
        return timesteps(steps, model)
    return list(resolve(schedule.function)(steps, model))


def start_scale(sampler: Sampler, sigma: float, model: ModelSchedule) -> float:
    """What unit noise is multiplied by to start a picture from nothing at this noise level.

    Samplers on timesteps (DDIM) start from noise of unit variance in the model's own scale, the others from pure
    noise of size sigma, as A1111 does. An img2img start is picture + sigma * noise for both.
    """
    return math.hypot(1.0, sigma) if sampler.uses_timesteps and not model.flow else sigma


def handover_sigma(model: ModelSchedule, share: float) -> float:
    """The highest noise level at which a refiner answers that takes over after this share of the way, 0 to 1.

    A1111's rule: of 1000 timesteps, the first whose number from the top is not below share * 1000; a noise level counts
    as the timestep whose own is nearest. Below the table's ends for a share of 1: it never takes over.
    """
    last = len(model.sigmas) - 1 - math.ceil(share * len(model.sigmas) - 1e-6)
    if last < 0:
        return -1.0
    return (model.sigmas[last] + model.sigmas[min(last + 1, len(model.sigmas) - 1)]) / 2


def flow(steps: int, model: ModelSchedule) -> list[float]:
    """Of a flow model: evenly spaced times from 1 to 1/steps, as its schedule shifts them, then 0 (diffusers' own)."""
    count = len(model.sigmas)
    return _at_timesteps([count * (1.0 - index / steps) - 1.0 for index in range(steps)], model)


def uniform(steps: int, model: ModelSchedule) -> list[float]:
    """Evenly spaced timesteps, both ends of the model's table included, then 0."""
    return _at_timesteps(_evenly(len(model.sigmas) - 1, 0.0, steps), model)


def normal(steps: int, model: ModelSchedule) -> list[float]:
    """Evenly spaced timesteps from that of sigma_max to that of sigma_min, then 0."""
    return _at_timesteps(_evenly(model.timestep(model.sigma_max), model.timestep(model.sigma_min), steps), model)


def sgm_uniform(steps: int, model: ModelSchedule) -> list[float]:
    """Evenly spaced timesteps, where the last step starts one space above sigma_min, then 0."""
    ends = model.timestep(model.sigma_max), model.timestep(model.sigma_min)
    return _at_timesteps(_evenly(*ends, steps + 1)[:-1], model)


def simple(steps: int, model: ModelSchedule) -> list[float]:
    """Entries of the model's own table, at equal distances from its top downwards, then 0."""
    space = len(model.sigmas) / steps
    return [model.sigmas[-(1 + int(index * space))] for index in range(steps)] + [0.0]


def karras(steps: int, model: ModelSchedule) -> list[float]:
    """Evenly spaced in sigma^(1/7) between the model's ends (Karras et al. 2022, equation 5), then 0."""
    ends = model.sigma_max ** (1 / KARRAS_RHO), model.sigma_min ** (1 / KARRAS_RHO)
    return [root**KARRAS_RHO for root in _evenly(*ends, steps)] + [0.0]


def exponential(steps: int, model: ModelSchedule) -> list[float]:
    """Evenly spaced in log sigma between the model's ends, then 0."""
    ends = math.log(model.sigma_max), math.log(model.sigma_min)
    return [math.exp(log) for log in _evenly(*ends, steps)] + [0.0]


def timesteps(steps: int, model: ModelSchedule) -> list[float]:
    """Whole timesteps for DDIM: 1, 1 + space, 1 + 2 * space, ... downwards, with space = timesteps // steps.

    It ends at timestep 1, not at 0 noise. The number of entries is what A1111's is: 20 for 20 steps (19 model
    calls), 31 for 30 steps (30 calls). One step alone, which would leave nothing to do, goes from the top to 0.
    """
    count = len(model.sigmas)
    space = max(count // steps, 1)
    rising = [min(start + 1, count - 1) for start in range(0, count, space)]
    if len(rising) < 2:
        return [model.sigma_max, 0.0]
    return [model.sigmas[timestep] for timestep in reversed(rising)]


def _evenly(start: float, end: float, count: int) -> list[float]:
    """`count` values from start to end, both included; the start alone when count is 1."""
    if count == 1:
        return [start]
    return [start + (end - start) * index / (count - 1) for index in range(count)]


def _at_timesteps(places: list[float], model: ModelSchedule) -> list[float]:
    return [model.sigma(place) for place in places] + [0.0]
