"""What suits a checkpoint: samplers, abilities and defaults of fields, by its family, variant and name. Torch-free."""

from __future__ import annotations

import math
from typing import Any

from webui.core.fields import FIELDS
from webui.core.hires_fields import CELL, HIRES
from webui.core.noise_fields import NOISE
from webui.core.precisions import FIELD_OF
from webui.core.registry import Family, Need, Registry
from webui.engine.checkpoints.checkpoint import Checkpoint
from webui.engine.checkpoints.distilled import distilled_defaults

REFINER = "refiner"
"""The ability of all models that the loop computes."""

PRECISION = "precision"
"""The ability of all models that are read part by part, which folders that diffusers itself reads are not."""

# What a checkpoint's sidecar may set as defaults of fields.
_SIDECARS = ("steps", "cfg_scale", "distilled_cfg_scale", "clip_skip", "sampler_name", "scheduler", "width", "height")


def kind_of(checkpoint: Checkpoint, registry: Registry) -> str:
    """What a sentence calls its kind: 'Flux.1 schnell'."""
    family = registry.families.get(checkpoint.family)
    # The variants of models that run by themselves are names of classes.
    if registry.own_sampler(family):
        return checkpoint.name
    return " ".join(filter(None, (family.title, checkpoint.variant)))


def samplers_for(checkpoint: Checkpoint, registry: Registry) -> list[str]:
    """The samplers that are right for it, the default first where its family has one."""
    family = registry.families.get(checkpoint.family) if checkpoint.family in registry.families else None
    return list(family.samplers) if family and family.samplers else registry.samplers.names()


def schedules_for(checkpoint: Checkpoint, registry: Registry) -> list[str]:
    """The schedules that it can be run with."""
    family = registry.families.get(checkpoint.family) if checkpoint.family in registry.families else None
    own = registry.own_sampler(family) if family else None
    if own:
        return [own]
    return [row.name for row in registry.schedules if row.flow or not (family and family.flow)]


def multiple_of(checkpoint: Checkpoint, registry: Registry) -> int:
    """Of what its pictures' sides must be multiples, in pixels."""
    if checkpoint.family not in registry.families:
        return CELL
    return math.lcm(CELL, registry.families.get(checkpoint.family).multiple_of(checkpoint.variant))


def abilities_of(checkpoint: Checkpoint, registry: Registry) -> tuple[str, ...]:
    """What it understands besides a prompt; see `Family.abilities`."""
    if checkpoint.family not in registry.families:
        return ()
    family = registry.families.get(checkpoint.family)
    # Between two steps of the loop another model can take over; whoever steps by itself has no such place, and draws
    # its own noise. Nor does it begin in the middle, as a second pass does.
    own = registry.own_sampler(family)
    by_parts = any(part.role in FIELD_OF for part in checkpoint.parts.values())
    more = (() if own else (REFINER, NOISE, HIRES)) + ((PRECISION,) if by_parts else ())
    return (*family.abilities_of(checkpoint.variant), *more)


def own_names(sampler: str) -> dict[str, str]:
    """The choices of a model that computes its steps itself, with this sampler of its own."""
    return {"sampler_name": sampler, "scheduler": sampler, "attention": FIELDS["attention"].default}


def suiting(checkpoint: Checkpoint, registry: Registry) -> dict[str, Any]:
    """Defaults of fields: the family's, over them its variant's, what its name says, and what its sidecar says."""
    family: Family = registry.families.get(checkpoint.family)
    size, own = family.native_size, registry.own_sampler(family)
    given: dict[str, Any] = {"steps": family.steps, "cfg_scale": family.cfg_scale, "width": size, "height": size}
    given |= {"sampler_name": family.samplers[0]} if family.samplers else {}
    given |= next((variant.defaults for variant in family.variants if variant.name == checkpoint.variant), {})
    given |= distilled_defaults(family.name, checkpoint.name)
    if "native_size" in checkpoint.defaults:
        given |= dict.fromkeys(("width", "height"), checkpoint.defaults["native_size"])
    given |= {k: v for k, v in checkpoint.defaults.items() if k in _SIDECARS}
    given |= own_names(own) if own else {}
    abilities = abilities_of(checkpoint, registry)
    unknown = (row for row in FIELDS.values() if not row.is_known_to(abilities))
    return given | {row.name: row.default if row.without is None else row.without for row in unknown}


def latents_of(checkpoint: Checkpoint, registry: Registry) -> str:
    """What tells its kind of latents from others: the first family whose autoencoder is the same; "" for none.

    Models with pipelines of their own have none: no other model can take over from them.
    """
    own = _autoencoder(registry.families.get(checkpoint.family)) if checkpoint.family in registry.families else None
    return next((family.name for family in registry.families if own and _autoencoder(family) == own), "")


def _autoencoder(family: Family) -> Need | None:
    return next((need for need in family.needs if need.part == "vae"), None)
