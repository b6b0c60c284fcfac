"""What a request says of sampling: names made canonical, what its model cannot use refused, options that count kept."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from webui.core.errors import Faults
from webui.core.fields import FIELDS
from webui.core.noise_sources import CPU, NV
from webui.core.registry import Registry, Sampler
from webui.core.sampler_fields import OPTIONS, check_ends_of_flow
from webui.core.sampler_options import counting
from webui.core.speed_fields import SPEED_OPTIONS, counting_of_speed
from webui.engine.checkpoints.checkpoint import Checkpoint
from webui.engine.checkpoints.suits import kind_of, own_names, samplers_for, schedules_for
from webui.plugins.installed import not_installed

_MOST_SAID = 6
"""Of what would be right a sentence names no more."""


def name_sampling(checked: dict[str, Any], registry: Registry, checkpoint: Checkpoint | None, faults: Faults) -> None:
    """Make names canonical; a sampler's name may carry its schedule, which counts where none is asked for."""
    family = registry.families.get(checkpoint.family) if checkpoint else None
    own = registry.own_sampler(family) if family else None
    if checkpoint and own:
        for name, only in own_names(own).items():
            if str(checked.get(name, only)).casefold() != only.casefold():
                why = f"cannot be chosen: {kind_of(checkpoint, registry)} brings its own; use '{only}'."
                faults.add(FIELDS[name].refuse(why, f"Use '{only}'"))
        checked |= {name: only for name, only in own_names(own).items() if name in checked}
        if checked.get("randn_source") == NV:
            why = f"cannot be {NV}: {kind_of(checkpoint, registry)} draws its noise itself, with torch."
            faults.add(FIELDS["randn_source"].refuse(why, f"Use '{CPU}'"))
        return
    schedule = None
    if "sampler_name" in checked:
        with faults.gathered():
            checked["sampler_name"], schedule = registry.split_sampler(checked["sampler_name"])
            _is_there(registry.samplers.get(checked["sampler_name"]))
            if checkpoint:
                _suits(checked["sampler_name"], checkpoint, registry)
    if "scheduler" in checked:
        with faults.gathered():
            chosen = registry.schedules.get(checked["scheduler"]).name
            checked["scheduler"] = schedule if schedule and chosen == "Automatic" else chosen
            if checkpoint and checked["scheduler"] not in schedules_for(checkpoint, registry):
                raise FIELDS["scheduler"].refuse(
                    f"{checked['scheduler']} has no levels for {kind_of(checkpoint, registry)}.", "Use 'Automatic'"
                )
    if "attention" in checked:
        with faults.gathered():
            checked["attention"] = registry.attention.get(checked["attention"]).name


def keep_what_counts(
    checked: dict[str, Any],
    given: Collection[str],
    registry: Registry,
    checkpoint: Checkpoint | None,
    *,
    further: tuple[str, str] | None = None,
) -> None:
    """Give options of samplers and schedules their defaults where nothing would come of them.

    So they are said, as in A1111, of the pictures that they change. given: names of what the person set. further: the
    sampler and schedule of a second pass. Raises InvalidField for ends that a flow model cannot have.
    """
    pairs = [(checked.get("sampler_name", ""), checked.get("scheduler", "")), *([further] if further else [])]
    if any(sampler not in registry.samplers or schedule not in registry.schedules for sampler, schedule in pairs):
        return
    rows = [(registry.samplers.get(sampler), registry.schedules.get(schedule)) for sampler, schedule in pairs]
    samplers = [sampler for sampler, _ in rows]
    in_ddim = any("eta_ddim" in sampler.options for sampler in samplers)
    if in_ddim and "eta" in given and "eta_ddim" not in given and "eta" in checked:
        # A1111's API has one eta for all.
        checked["eta_ddim"] = checked["eta"]
    flow = checkpoint is not None and registry.families.get(checkpoint.family).flow
    names = {name for row in rows for name in counting(*row, registry, flow=flow)}
    names |= counting_of_speed(checked, flow=flow)
    options = OPTIONS.items() | SPEED_OPTIONS.items()
    checked |= {name: row.default for name, row in options if name in checked and name not in names}
    if not any(sampler.uses_ensd for sampler in samplers) or checked.get("eta") == 0:
        checked["eta_noise_seed_delta"] = 0
    if flow:
        check_ends_of_flow(checked)


def _is_there(sampler: Sampler) -> None:
    """Raise InvalidField for a sampler whose package is missing."""
    if reason := not_installed(sampler):
        raise FIELDS["sampler_name"].refuse(
            f"cannot be {sampler.name}: {reason} on this machine.",
            f"Install it beside Darkroom (pip install {sampler.package}) and start the program again",
            "Choose another sampler",
        )


def _suits(sampler: str, checkpoint: Checkpoint, registry: Registry) -> None:
    """Raise InvalidField for a sampler that is wrong for this checkpoint."""
    right = samplers_for(checkpoint, registry)
    if sampler not in right:
        shown = right if len(right) <= _MOST_SAID else (*right[:3], f"one of {len(right) - 3} more")
        said = " or ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))
        raise FIELDS["sampler_name"].refuse(
            f"{sampler} is not for {kind_of(checkpoint, registry)}, which takes {said}.",
            *(f"Use '{name}'" for name in right[:3]),
        )
