"""The checkpoint that makes a picture's last steps: chosen for a request, and found again. Torch-free."""

from __future__ import annotations

from typing import Any

from webui.core.errors import InvalidField, ModelProblem
from webui.core.fields import FIELDS
from webui.core.precisions import FIELD_OF
from webui.core.registry import Registry
from webui.core.request import GenerationRequest
from webui.engine.checkpoints.accepted import find_accepted
from webui.engine.checkpoints.catalogue import Catalogue, Checkpoint
from webui.engine.checkpoints.chosen import choose
from webui.engine.checkpoints.suits import latents_of

CHECKPOINT, SWITCH_AT = "refiner_checkpoint", "refiner_switch_at"
HASH, PARTS_HASH = "refiner_hash", "refiner_text_encoders_hash"

_NONE = ("", "none")


def is_none(title: str) -> bool:
    """Whether this names no refiner; A1111 leaves it empty or writes None."""
    return title.strip().casefold() in _NONE


def without_refiner() -> dict[str, Any]:
    """The fields of a request that has none: what would not count is not kept."""
    return {name: FIELDS[name].default for name in (CHECKPOINT, SWITCH_AT)} | {HASH: "", PARTS_HASH: ""}


def choose_refiner(
    title: str, wanted_hash: str, parts_hash: str, base: Checkpoint, catalogue: Catalogue, registry: Registry
) -> dict[str, Any]:
    """The fields that name a refiner for `base`, but for the switch: its title and hashes.

    wanted_hash, parts_hash: of the files that a stored request was made with; others are no substitute. Raises
    UnknownName, ModelProblem, InvalidField.
    """
    found = catalogue.hashed(catalogue.as_now(catalogue.find(title)).usable())
    if wanted_hash and found.hash != wanted_hash:
        raise ModelProblem(
            f"The refiner that this request was made with ({wanted_hash[:10]}) cannot be found under the name {title}.",
            field=CHECKPOINT,
            remedies=("Put the old file back", f"Use what is there: leave {HASH} out"),
        )
    if latents_of(base, registry) not in filter(None, [latents_of(found, registry)]):
        raise InvalidField(
            f"{found.name} cannot go on with the latents of {base.name}: they are of another kind.",
            field=CHECKPOINT,
            remedies=(f"Choose a refiner for {registry.families.get(base.family).title}", "Choose none"),
        )
    chosen = choose(found, "", "", catalogue, text_encoders_hash=parts_hash)
    return {CHECKPOINT: found.title, HASH: found.hash, PARTS_HASH: chosen.text_encoders_hash}


def find_refiner(catalogue: Catalogue, request: GenerationRequest) -> Checkpoint | None:
    """The refiner that the request was accepted with, put together; None without one. Raises as `find_accepted`."""
    if is_none(request.refiner_checkpoint):
        return None
    # What is said of parts' precision is said of its parts too.
    alone = GenerationRequest(
        **{name: getattr(request, name) for name in FIELD_OF.values()},
        checkpoint=request.refiner_checkpoint,
        checkpoint_hash=request.refiner_hash,
        text_encoders_hash=request.refiner_text_encoders_hash,
    )
    return find_accepted(catalogue, alone)
