"""What a request says of its second pass: names made canonical, its checkpoint chosen, its size within limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from webui.accept_sampling import name_sampling
from webui.core.errors import DarkroomError, Faults, InvalidField, UnknownName, fields_named
from webui.core.fields import FIELDS
from webui.core.groups import GROUPS
from webui.core.hires_fields import HASH, HIRES, SAME_CHECKPOINT, SAME_SAMPLER, SAME_SCHEDULER, HiresFix
from webui.core.registry import Registry
from webui.core.request import check_target
from webui.core.upscaler_rows import Upscaler
from webui.engine.checkpoints.catalogue import Catalogue, Checkpoint
from webui.engine.checkpoints.second_pass import CHECKPOINT, choose_second, is_same
from webui.engine.checkpoints.suits import abilities_of, kind_of, multiple_of

_GROUP = GROUPS[HIRES]
_SIDES = ("hr_resize_x", "hr_resize_y")
_FIELD_OF = {"sampler_name": "hr_sampler_name", "scheduler": "hr_scheduler"}
_SAME = {"sampler_name": SAME_SAMPLER, "scheduler": SAME_SCHEDULER}


def accept_hires(
    asked: Mapping[str, Any],
    checked: Mapping[str, Any],
    base: Checkpoint | None,
    catalogue: Catalogue,
    registry: Registry,
    faults: Faults,
) -> HiresFix | None:
    """The second pass that is asked for; None where none is, or something is wrong, told in `faults`.

    asked: what `take_groups` found. checked: the first pass's fields.
    """
    if HIRES not in asked:
        return None
    if base and HIRES not in abilities_of(base, registry):
        said = f"{kind_of(base, registry)} has no {_GROUP.switch.label}, so it cannot be set."
        faults.add(InvalidField(said, field=_GROUP.switch.name, remedies=("Switch it off",)))
        return None
    found = _GROUP.gather(asked[HIRES], faults)
    if found is None or base is None:
        return None
    upscaler, second = None, base
    with faults.gathered():
        upscaler = registry.upscalers.get(found["hr_upscaler"])
        found["hr_upscaler"] = upscaler.name
    with faults.gathered():
        second = _second(found, base, upscaler, catalogue, registry)
    with faults.gathered():
        _check_scale(found["hr_cfg"], second, registry)
    with faults.gathered():
        _name_sampling(found, checked, second, base, registry)
    with faults.gathered():
        multiple = multiple_of(second, registry)
        for name in _SIDES:
            replace(_GROUP.by_name[name], multiple=multiple).check(found[name])
        check_target(checked, HiresFix(**found), multiple)
    return HiresFix(**found)


def last_of(hires: HiresFix | None, base: Checkpoint, catalogue: Catalogue) -> Checkpoint:
    """The checkpoint of a request's last pass, whose last steps a refiner makes."""
    return catalogue.find(hires.hr_checkpoint_name) if hires and hires.hr_checkpoint_hash else base


def second_sampling(asked: Mapping[str, Any], checked: Mapping[str, Any], registry: Registry) -> tuple[str, str] | None:
    """The names of the second pass's sampler and schedule, as far as they are right; None where it has the first's."""
    hires = asked.get(HIRES)
    if not isinstance(hires, Mapping):
        return None
    sampler, schedule = (_same_or(str(hires.get(own) or ""), _SAME[name]) for name, own in _FIELD_OF.items())
    if sampler is None and schedule is None:
        return None
    joined = None
    with suppress(UnknownName):
        sampler, joined = registry.split_sampler(sampler) if sampler else (None, None)
    return sampler or checked.get("sampler_name", ""), schedule or joined or checked.get("scheduler", "")


def known_hires(values: dict[str, Any], unknown: dict[str, str], registry: Registry, catalogue: Catalogue) -> None:
    """Put the names that a text says of a second pass as this installation has them; others move to `unknown`."""
    tables: Mapping[str, Callable[[str], str]] = {
        "hr_upscaler": lambda name: registry.upscalers.get(name).name,
        "hr_scheduler": lambda name: registry.schedules.get(name).name,
        CHECKPOINT: lambda name: catalogue.get(name).title,
    }
    if CHECKPOINT in values and is_same(values[CHECKPOINT]):
        values[CHECKPOINT] = SAME_CHECKPOINT
    if not _is_default("hr_sampler_name", values):
        try:
            values["hr_sampler_name"], schedule = registry.split_sampler(values["hr_sampler_name"])
            if schedule and _is_default("hr_scheduler", values):
                values["hr_scheduler"] = schedule
        except DarkroomError:
            unknown["Hires sampler"], values["hr_sampler_name"] = values["hr_sampler_name"], SAME_SAMPLER
    for field, known in tables.items():
        if not _is_default(field, values):
            row = _GROUP.by_name[field]
            try:
                values[field] = known(values[field])
            except DarkroomError:
                unknown[row.infotext or field], values[field] = values[field], row.default


def _is_default(field: str, values: Mapping[str, Any]) -> bool:
    """Whether a field of the group says nothing of its own, or is not there."""
    default = _GROUP.by_name[field].default
    return bool(values.get(field, default) == default)


def _second(
    found: dict[str, Any], base: Checkpoint, upscaler: Upscaler | None, catalogue: Catalogue, registry: Registry
) -> Checkpoint:
    """The second pass's checkpoint, whose title and hash go into `found`."""
    second = base
    if not is_same(found[CHECKPOINT]):
        try:
            second = choose_second(found[CHECKPOINT], found[HASH], base, upscaler, catalogue, registry)
        except DarkroomError as error:
            # What is found wrong with a checkpoint is told of the checkpoint's field.
            error.field = error.field if error.field == "hr_upscaler" else CHECKPOINT
            raise
    own = second.title != base.title
    found |= {CHECKPOINT: second.title, HASH: second.hash} if own else {CHECKPOINT: SAME_CHECKPOINT, HASH: ""}
    return second


def _check_scale(scale: float, second: Checkpoint, registry: Registry) -> None:
    row, first = _GROUP.by_name["hr_cfg"], FIELDS["cfg_scale"]
    if 0 < scale < (first.minimum or 0):
        raise row.refuse(f"is 0 for the first pass's, or from {first.minimum:g} up.", "Use 0", f"Use {first.minimum:g}")
    if scale not in (0, first.without) and not first.is_known_to(abilities_of(second, registry)):
        raise row.refuse(f"cannot be set: {kind_of(second, registry)} has no {first.label}.", "Use 0")


def _name_sampling(
    found: dict[str, Any], checked: Mapping[str, Any], second: Checkpoint, base: Checkpoint, registry: Registry
) -> None:
    """Make its sampler's and schedule's names canonical; the first pass's too must be right for the second's model."""
    faults = Faults()
    words = {name: _same_or(found[field], _SAME[name]) for name, field in _FIELD_OF.items()}
    names = {name: checked.get(name, "") if words[name] is None else words[name] for name in _FIELD_OF}
    if words["sampler_name"] is not None and words["scheduler"] is None:
        # A joined name's schedule counts, as it does in the first pass; without one it is the first pass's.
        with suppress(UnknownName):
            names["sampler_name"], words["scheduler"] = registry.split_sampler(words["sampler_name"])
        names["scheduler"] = words["scheduler"] or names["scheduler"]
    if second.title != base.title or set(words.values()) != {None}:
        name_sampling(names, registry, second, faults)
    with fields_named(_FIELD_OF):
        faults.raise_found()
    for name, field in _FIELD_OF.items():
        found[field] = _SAME[name] if words[name] is None else names[name]


def _same_or(word: str, same: str) -> str | None:
    """The name, or None where it means the first pass's."""
    return None if word.strip().casefold() in ("", same.casefold()) else word
