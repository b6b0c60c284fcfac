"""What each pass over a job's pictures is asked by itself: one, or two with Hires. fix. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from webui.core.hires_fields import CELL, SAME_CHECKPOINT, SAME_SAMPLER, SAME_SCHEDULER, HiresFix, HiresTarget
from webui.core.request import GenerationRequest
from webui.engine.checkpoints.refining import without_refiner


@dataclass(frozen=True, slots=True)
class Second:
    """A second pass over pictures. `request`: the same picture asked for in its size, with its sampler, texts and
    scale; its `steps` are those of its schedule, of which the last `calls` are walked. `before`: the first's steps.
    """

    request: GenerationRequest
    hires: HiresFix
    target: HiresTarget
    calls: int
    before: int


def first_of(request: GenerationRequest) -> GenerationRequest:
    """What the first pass is asked: a refiner comes in the second one only, as in A1111."""
    return request if request.hires is None else request.but(**without_refiner())


def second_of(request: GenerationRequest, multiple: int = CELL) -> Second | None:
    """What the second pass is asked; None where there is none. multiple: of its model, see `HiresFix.target`."""
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
    if hires.hr_checkpoint_name != SAME_CHECKPOINT:
        changes |= {"checkpoint": hires.hr_checkpoint_name, "checkpoint_hash": hires.hr_checkpoint_hash}
    return Second(request.with_hires_texts.but(**changes), hires, target, hires.calls(request.steps), request.steps)
