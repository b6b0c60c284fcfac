"""Schedules: how the noise is spread over the steps. Formulas and names are A1111's; all values are host floats."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any, Self

from webui.core.errors import InvalidField
from webui.core.registry import Registry, Sampler, Schedule
from webui.core.request import GenerationRequest
from webui.core.sampler_fields import ENDS, OF_LEVELS, OPTIONS, SKIP_TYPES, check_ends, check_ends_of_flow
from webui.core.sampler_options import is_of_flow, walked
from webui.engine.samplers.base import ModelSchedule, Option
from webui.plugins.meter import Meter

KARRAS_RHO = 7.0


@dataclass(frozen=True, slots=True)
class ScheduleOptions:
    """What a request says of schedules, by its fields' names; a 0 leaves the model's or the schedule's own value.

    sigma_min, sigma_max: ends in place of the model's, for schedules that look at them; in the model's own scale. rho:
    of Karras and Polyexponential. beta_dist_alpha, beta_dist_beta: of Beta, above 0. always_discard_next_to_last_sigma:
    as if every sampler's row said so. sgm_noise_multiplier: start from hypot(1, sigma) times unit noise in place of
    sigma. uni_pc_skip_type: how UniPC spreads its own levels.
    """

    sigma_min: float = 0.0
    sigma_max: float = 0.0
    rho: float = 0.0
    beta_dist_alpha: float = 0.6
    beta_dist_beta: float = 0.6
    always_discard_next_to_last_sigma: bool = False
    sgm_noise_multiplier: bool = False
    uni_pc_skip_type: str = SKIP_TYPES[0]

    @classmethod
    def of(cls, request: GenerationRequest) -> Self:
        """Those that the request says."""
        return cls(**{field.name: getattr(request, field.name) for field in fields(cls)})

    def chosen(self, names: Collection[str]) -> dict[str, Option]:
        """Those of the named options that are no 0, for a function that takes them; ends come with its model."""
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name in names}
        return {name: value for name, value in values.items() if value != 0.0 and name not in ENDS}


NO_OPTIONS = ScheduleOptions()


def noise_levels(
    sampler: Sampler,
    schedule: Schedule,
    steps: int,
    model: ModelSchedule,
    registry: Registry,
    resolve: Callable[[str], Any],
    options: ScheduleOptions = NO_OPTIONS,
    meter: Meter | None = None,
) -> list[float]:
    """The falling noise levels that this sampler walks under the schedule a person chose.

    Automatic means the sampler's own schedule, and with a flow model the one of its training. Samplers with `levels` of
    their own (DDIM) take them under Automatic and Uniform and any other schedule as it is, unless they ignore
    schedules. `resolve` turns "module:function" into the function. The list has one entry more than there are steps to
    walk. meter: runs what an extension has written. Raises InvalidField for options that fit neither each other nor the
    model.
    """
    drops = sampler.drops_next_to_last or options.always_discard_next_to_last_sigma
    drops = drops and not sampler.ignores_schedule
    row = walked(sampler, schedule, registry, flow=model.flow)
    if is_of_flow(sampler, schedule, flow=model.flow):
        return _dropped(flow(steps + drops, model), drops)
    function, names = (row.function, row.options) if row else (sampler.levels, sampler.options)
    bounded = within(model, options) if set(ENDS) & set(names) else model

    def make() -> list[float]:
        return list(resolve(function)(steps + drops, bounded, **options.chosen(names)))

    made = (meter or Meter()).of_row((row or sampler).extension, "schedules", make)
    _check_falling(made, options, names)
    # Of its own levels A1111 counts the step that is to be dropped too, and drops nothing.
    return _dropped(made, drops and row is not None)


def _check_falling(levels: list[float], options: ScheduleOptions, names: Collection[str]) -> None:
    """Raise InvalidField where options have put two levels onto each other, which is no step."""
    changed = [name for name in OF_LEVELS if name in names and getattr(options, name) != getattr(NO_OPTIONS, name)]
    if changed and any(after >= before for before, after in pairwise(levels)):
        said = " and ".join(f"{OPTIONS[name].label} {getattr(options, name)}" for name in changed)
        raise InvalidField(
            f"With {said} two noise levels of this many steps are the same, so that there is no step between them.",
            field=changed[0],
            remedies=[f"Set {OPTIONS[name].label} to {OPTIONS[name].default}" for name in changed],
        )


def _dropped(levels: list[float], drops: bool) -> list[float]:
    return levels[:-2] + levels[-1:] if drops else levels


def within(model: ModelSchedule, options: ScheduleOptions) -> ModelSchedule:
    """The model's schedule with the ends that the options say. Raises InvalidField where there is nothing between."""
    low, high = options.sigma_min or model.sigma_min, options.sigma_max or model.sigma_max
    if (low, high) == (model.sigma_min, model.sigma_max):
        return model
    check_ends({"sigma_min": low, "sigma_max": high})
    if model.flow:
        check_ends_of_flow({"sigma_max": high})
    return _Bounded(model, low, high)


class _Bounded:
    """A model's schedule whose ends a person has moved; the table stays the model's."""

    def __init__(self, model: ModelSchedule, low: float, high: float) -> None:
        self.sigmas = model.sigmas
        self.flow = model.flow
        self.aligned_as = model.aligned_as
        self.sigma_min, self.sigma_max = low, high
        self.timestep, self.sigma = model.timestep, model.sigma


def start_scale(sampler: Sampler, sigma: float, model: ModelSchedule, options: ScheduleOptions = NO_OPTIONS) -> float:
    """What unit noise is multiplied by to start a picture from nothing at this noise level.

    Samplers on timesteps (DDIM) start from noise of unit variance in the model's own scale, the others from pure
    noise of size sigma, as A1111 does; with the SGM noise multiplier all start as those on timesteps. An img2img start
    is picture + sigma * noise for both.
    """
    in_own_scale = sampler.uses_timesteps or options.sgm_noise_multiplier
    return math.hypot(1.0, sigma) if in_own_scale and not model.flow else sigma


def levels_over(
    sampler: Sampler,
    schedule: Schedule,
    laid: int,
    calls: int,
    model: ModelSchedule,
    registry: Registry,
    resolve: Callable[[str], Any],
    options: ScheduleOptions = NO_OPTIONS,
    meter: Meter | None = None,
) -> list[float]:
    """The levels that are walked over a picture that is there: the last `calls` steps of those that `noise_levels` has
    for `laid` steps. Of samplers on timesteps the last of their levels, as many, which is a step less, as in A1111.

    Samplers that lay their own levels between two ends (DPM fast, DPM adaptive) do so from where these steps begin.
    """
    spans = sampler.ignores_schedule and bool(sampler.levels)
    by_schedule = replace(sampler, levels="", ignores_schedule=False) if spans else sampler
    walked = noise_levels(by_schedule, schedule, laid, model, registry, resolve, options, meter)
    # Two levels make the least step.
    walked = walked[-max(calls + (walked[-1] == 0), 2) :]
    if not spans:
        return walked
    # A1111 ends at the level before the last, which leaves noise in the picture where steps are few.
    ends = _Bounded(model, model.sigma_min, walked[0])
    return (meter or Meter()).of_row(sampler.extension, "schedules", lambda: list(resolve(sampler.levels)(calls, ends)))


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


def karras(steps: int, model: ModelSchedule, rho: float = KARRAS_RHO) -> list[float]:
    """Evenly spaced in sigma^(1/rho) between the model's ends (Karras et al. 2022, equation 5), then 0."""
    return [*karras_levels(model.sigma_max, model.sigma_min, steps, rho), 0.0]


def karras_levels(top: float, end: float, count: int, rho: float = KARRAS_RHO) -> list[float]:
    """`count` levels from top to end, evenly spaced in sigma^(1/rho)."""
    return [root**rho for root in _evenly(top ** (1 / rho), end ** (1 / rho), count)]


def exponential(steps: int, model: ModelSchedule) -> list[float]:
    """Evenly spaced in log sigma between the model's ends, then 0."""
    ends = math.log(model.sigma_max), math.log(model.sigma_min)
    return [math.exp(log) for log in _evenly(*ends, steps)] + [0.0]


def polyexponential(steps: int, model: ModelSchedule, rho: float = 1.0) -> list[float]:
    """Log sigma falls as (1 - step / (steps - 1))^rho between the model's ends, then 0."""
    low, high = math.log(model.sigma_min), math.log(model.sigma_max)
    return [math.exp(low + (high - low) * share**rho) for share in _evenly(1.0, 0.0, steps)] + [0.0]


def kl_optimal(steps: int, model: ModelSchedule) -> list[float]:
    """Evenly spaced in arctan sigma between the model's ends (Sabour et al. 2024, arXiv 2404.14507, theorem 3.1).

    It ends at sigma_min, not at 0.
    """
    return [math.tan(angle) for angle in _evenly(math.atan(model.sigma_max), math.atan(model.sigma_min), steps + 1)]


def ddim(steps: int, model: ModelSchedule) -> list[float]:
    """Whole timesteps as DDIM's (see `timesteps`), then 0; as many as fit, which need not be `steps`."""
    count = len(model.sigmas)
    places = range(1, count, max(count // steps, 1))
    if len(places) < 2:
        return [model.sigma_max, 0.0]
    return [model.sigmas[place] for place in reversed(places)] + [0.0]


def turbo(steps: int, model: ModelSchedule) -> list[float]:
    """The last whole timestep of each of `steps` equal parts of the model's table, then 0: for distilled models."""
    count = len(model.sigmas)
    places = [round((part + 1) * (count / steps) - 1.0) for part in reversed(range(steps))]
    return [model.sigmas[min(max(place, 0), count - 1)] for place in places] + [0.0]


def dpm_fast_levels(steps: int, model: ModelSchedule) -> list[float]:
    """Evenly spaced in log sigma between the model's ends: a step for each three calls begun, one at least."""
    return dpm_adaptive_levels(steps // 3 + 1, model)


def dpm_adaptive_levels(steps: int, model: ModelSchedule) -> list[float]:
    """Evenly spaced in log sigma from the model's sigma_max to its sigma_min, where it ends."""
    return [math.exp(log) for log in _evenly(math.log(model.sigma_max), math.log(model.sigma_min), steps + 1)]


def unipc_levels(steps: int, model: ModelSchedule, uni_pc_skip_type: str = SKIP_TYPES[0]) -> list[float]:
    """UniPC's own: from the model's last timestep to its first, in as many steps as `timesteps` has entries.

    uni_pc_skip_type: what is evenly spaced: the time, its square root, or log sigma. Raises InvalidField.
    """
    count = len(model.sigmas)
    most = len(timesteps(steps, model))
    walked = most if steps > 1 else 1
    if uni_pc_skip_type == "logSNR":
        return dpm_adaptive_levels(walked, model)
    powers = {"time_uniform": 1, "time_quadratic": 2}
    if uni_pc_skip_type not in powers:
        raise InvalidField(
            f"UniPC has no skip type '{uni_pc_skip_type}'.",
            field="uni_pc_skip_type",
            remedies=(f"Choose one of {', '.join(SKIP_TYPES)}",),
        )
    power = powers[uni_pc_skip_type]
    times = _evenly(1.0, (1.0 / count) ** (1.0 / power), walked + 1)
    return [model.sigma(time**power * count - 1.0) for time in times]


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
    # The end itself, which a sum of a great start and its opposite would miss.
    return [*(start + (end - start) * index / (count - 1) for index in range(count - 1)), end]


def _at_timesteps(places: list[float], model: ModelSchedule) -> list[float]:
    return [model.sigma(place) for place in places] + [0.0]
