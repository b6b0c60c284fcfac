"""What each pass over a job's pictures is asked by itself: one, or two with Hires. fix. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from webui.core.fields import ROWS
from webui.core.hires_fields import CELL, SAME_SAMPLER, SAME_SCHEDULER, HiresFix, HiresTarget
from webui.core.request import GenerationRequest
from webui.engine.checkpoints.refining import without_refiner
from webui.engine.checkpoints.second_pass import second_files

_FILES = ("checkpoint", "checkpoint_hash", "vae", "vae_hash", "text_encoders", "text_encoders_hash")


@dataclass(frozen=True, slots=True)
class Second:
    """A second pass over pictures. `request`: the same picture asked for in its size, with its sampler, steps, texts
    and scale. Of the steps that its schedule has, `laid`, the last `calls` are walked. `before`: the first's steps.
    """

    request: GenerationRequest
    hires: HiresFix
    target: HiresTarget
    laid: int
    calls: int
    before: int


def first_of(request: GenerationRequest) -> GenerationRequest:
    """What the first pass is asked: a refiner comes in the second one only, as in A1111."""
    return request if request.hires is None else request.but(**without_refiner())


def second_of(request: GenerationRequest, multiple: int = CELL, abilities: str = "") -> Second | None:
    """What the second pass is asked; None where there is none.

    multiple: of its model, see `HiresFix.target`. abilities: of a model of its own, to which what it does not know is
    not said; see `GenerationRequest`.
    """
    hires = request.hires
    if hires is None:
        return None
    target = hires.target(request.width, request.height, multiple)
    changes: dict[str, Any] = {
        "hires": None,
        "width": target.width,
        "height": target.height,
        "steps": hires.steps(request.steps),
        "cfg_scale": hires.hr_cfg or request.cfg_scale,
    }
    if hires.hr_sampler_name != SAME_SAMPLER:
        changes["sampler_name"] = hires.hr_sampler_name
    if hires.hr_scheduler != SAME_SCHEDULER:
        changes["scheduler"] = hires.hr_scheduler
    files = second_files(request)
    if files is not None:
        changes |= {name: getattr(files, name) for name in _FILES}
        known = abilities.split(",")
        changes |= {
            row.name: row.default if row.without is None else row.without for row in ROWS if not row.is_known_to(known)
        }
        changes |= {"abilities": abilities}
    counts = hires.laid(request.steps), hires.calls(request.steps), request.steps
    return Second(request.with_hires_texts.but(**changes), hires, target, *counts)
