"""Which schedule a sampler walks, and so which options of a request count: those that their rows name."""

from __future__ import annotations

from webui.core.registry import Registry, Sampler, Schedule
from webui.core.sampler_fields import OF_LEVELS

AUTOMATIC = "Automatic"
UNIFORM = "Uniform"


def walked(sampler: Sampler, schedule: Schedule, registry: Registry, *, flow: bool) -> Schedule | None:
    """The schedule whose levels the sampler walks where a person chose this one; flow: with a flow model.

    None where it takes levels of another kind: its own under every schedule or under Automatic and Uniform, or, under
    Automatic, those that flow models are trained with.
    """
    if sampler.ignores_schedule or is_of_flow(sampler, schedule, flow=flow):
        return None
    if schedule.name == AUTOMATIC:
        schedule = registry.schedules.get(sampler.schedule)
    return None if sampler.levels and schedule.name in (AUTOMATIC, UNIFORM) else schedule


def is_of_flow(sampler: Sampler, schedule: Schedule, *, flow: bool) -> bool:
    """Whether the levels are those that flow models are trained with."""
    return flow and schedule.name == AUTOMATIC and not sampler.ignores_schedule


def counting(sampler: Sampler, schedule: Schedule, registry: Registry, *, flow: bool) -> frozenset[str]:
    """The options that can change what this sampler makes under this schedule; flow: with a flow model.

    The noise of flow models ends at 1 whatever SGM's multiplier says.
    """
    steps_on = walked(sampler, schedule, registry, flow=flow)
    has_own_levels = steps_on is None and not is_of_flow(sampler, schedule, flow=flow)
    names = {name for name in sampler.options if has_own_levels or name not in OF_LEVELS}
    names |= set(steps_on.options) if steps_on else set()
    if not (sampler.ignores_schedule or sampler.drops_next_to_last):
        names.add("always_discard_next_to_last_sigma")
    if not (sampler.uses_timesteps or flow):
        names.add("sgm_noise_multiplier")
    return frozenset(names)
