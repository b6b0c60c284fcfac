"""Acceptance: loose values become a request in which nothing is left open (names, seed, model and its hash)."""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from webui.core.errors import DarkroomError, Faults, InvalidField, ModelProblem, UnknownName
from webui.core.fields import MAX_SEED, Field, gather_values
from webui.core.infotext import Parsed
from webui.core.registry import Family, Registry
from webui.core.request import RESOLVED, SCHEMA, GenerationRequest, check_schema
from webui.core.settings import Settings
from webui.engine.checkpoints.catalogue import Catalogue, Checkpoint

# What a checkpoint's sidecar or its family may set as defaults of fields.
_MODEL_DEFAULTS = ("steps", "cfg_scale", "sampler_name", "scheduler", "width", "height")


def resolve(
    values: Mapping[str, Any], registry: Registry, catalogue: Catalogue, settings: Settings, fields: Sequence[Field]
) -> GenerationRequest:
    """The request that these values mean: checked, with canonical names, a drawn seed and the model's hash.

    Fields that are missing take the defaults of the checkpoint. Raises InvalidField, UnknownName, ModelProblem, and
    InvalidRequest for several of them at once.
    """
    # A program's null means what a missing field means.
    values = {name: value for name, value in values.items() if value is not None}
    faults = Faults()
    with faults.gathered():
        check_schema(values.pop("schema", SCHEMA))
    wanted_hash = values.pop("checkpoint_hash", "")
    checkpoint = None
    with faults.gathered():
        checkpoint = _wanted(wanted_hash, values.get("checkpoint", ""), catalogue, settings)
    # Without a checkpoint nothing will be made; what else is wrong is told by the rows' own limits.
    if checkpoint:
        values = {**_defaults_of(checkpoint, registry, settings, fields), **values, "checkpoint": checkpoint.title}
        fields = _sized(fields, registry.families.get(checkpoint.family))
    else:
        values.pop("checkpoint", None)
    checked = gather_values(values, faults, fields)
    _name(checked, registry, faults)
    faults.raise_found()
    assert checkpoint is not None
    if checked["seed"] < 0:
        checked["seed"] = secrets.randbelow(MAX_SEED + 1)
    return GenerationRequest(**checked, checkpoint_hash=checkpoint.hash)


def _name(checked: dict[str, Any], registry: Registry, faults: Faults) -> None:
    """Make names canonical; a sampler's name may carry its schedule, which counts where none is asked for."""
    schedule = None
    if "sampler_name" in checked:
        with faults.gathered():
            checked["sampler_name"], schedule = registry.split_sampler(checked["sampler_name"])
    if "scheduler" in checked:
        with faults.gathered():
            chosen = registry.schedules.get(checked["scheduler"]).name
            checked["scheduler"] = schedule if schedule and chosen == "Automatic" else chosen
    if "attention" in checked:
        with faults.gathered():
            checked["attention"] = registry.attention.get(checked["attention"]).name


def _sized(fields: Sequence[Field], family: Family) -> list[Field]:
    """The fields, with the sides that this family can draw."""
    return [
        replace(field, multiple=math.lcm(field.multiple or 1, family.size_multiple))
        if field.name in ("width", "height")
        else field
        for field in fields
    ]


def _wanted(wanted_hash: Any, title: Any, catalogue: Catalogue, settings: Settings) -> Checkpoint:
    """The checkpoint with this hash, or without one the checkpoint with this title; its own hash is known.

    A stored request names the very weights it was made with: others under the same name are no substitute.
    """
    for name, value in (("checkpoint", title), ("checkpoint_hash", wanted_hash)):
        if not isinstance(value, str):
            raise InvalidField(f"{name} must be text.", field=name)
    if not wanted_hash:
        return catalogue.hashed(checkpoint_for(title, catalogue, settings))
    try:
        return catalogue.hashed(checkpoint_for(wanted_hash, catalogue, settings))
    except UnknownName:
        found = catalogue.hashed(checkpoint_for(title, catalogue, settings))
    if found.hash == wanted_hash:
        return found
    raise ModelProblem(
        f"The weights that this request was made with ({title or wanted_hash[:10]}) are not here; "
        f"{found.name} has others ({found.hash[:10]}).",
        field="checkpoint",
        remedies=(f"Use the present {found.name}: leave checkpoint_hash out", "Put the old file back"),
    )


def checkpoint_for(title: str, catalogue: Catalogue, settings: Settings) -> Checkpoint:
    """The usable checkpoint with this title, name or hash; empty means the settings' one, or the first there is."""
    checkpoint = catalogue.get(title) if title else catalogue.default(settings.sd_model_checkpoint)
    if checkpoint.problem:
        raise ModelProblem(checkpoint.problem, field="checkpoint", remedies=("Choose another checkpoint",))
    return checkpoint


def defaults(
    title: str, registry: Registry, catalogue: Catalogue, settings: Settings, fields: Sequence[Field]
) -> dict[str, Any]:
    """Values of all fields for a checkpoint; the rows' own defaults when there is no checkpoint that works."""
    plain = {field.name: field.default for field in fields}
    try:
        checkpoint = checkpoint_for(title, catalogue, settings)
    except DarkroomError:
        return plain
    return {**plain, **_defaults_of(checkpoint, registry, settings, fields), "checkpoint": checkpoint.title}


def canonical(parsed: Parsed, registry: Registry, catalogue: Catalogue) -> Parsed:
    """The same with names as this installation knows them; a name it does not know moves to the unknown ones."""
    values, unknown = dict(parsed.values), dict(parsed.unknown)
    if "sampler_name" in values:
        try:
            values["sampler_name"], schedule = registry.split_sampler(values["sampler_name"])
            if schedule:
                values.setdefault("scheduler", schedule)
        except DarkroomError:
            unknown["Sampler"] = values.pop("sampler_name")
        # A1111 leaves the schedule out where it is Automatic; older versions of it knew no other.
        values.setdefault("scheduler", "Automatic")
    if "scheduler" in values:
        name = values.pop("scheduler")
        if name in registry.schedules:
            values["scheduler"] = registry.schedules.get(name).name
        else:
            unknown["Schedule type"] = name
    for name in (*RESOLVED, "checkpoint"):
        known = values.pop(name, "")
        if known and "checkpoint" not in values:
            try:
                values["checkpoint"] = catalogue.get(known).title
            except DarkroomError:
                unknown["Model"] = known
    return replace(parsed, values=values, unknown=unknown)


def _defaults_of(
    checkpoint: Checkpoint, registry: Registry, settings: Settings, fields: Sequence[Field]
) -> dict[str, Any]:
    family = registry.families.get(checkpoint.family)
    size = checkpoint.defaults.get("native_size", family.native_size)
    given = {"steps": family.steps, "cfg_scale": family.cfg_scale, "width": size, "height": size}
    given["attention"] = settings.attention
    given |= {k: v for k, v in checkpoint.defaults.items() if k in _MODEL_DEFAULTS}
    names = {field.name for field in fields}
    return {k: v for k, v in given.items() if k in names}
