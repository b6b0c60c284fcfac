"""The checkpoint of a second pass: chosen for a request, and found again. Torch-free."""

from __future__ import annotations

from webui.core.errors import InvalidField, ModelProblem
from webui.core.hires_fields import HASH, HIRES, SAME_CHECKPOINT
from webui.core.precisions import FIELD_OF
from webui.core.registry import Registry
from webui.core.request import GenerationRequest
from webui.core.upscaler_rows import Upscaler
from webui.engine.checkpoints.catalogue import Catalogue, Checkpoint
from webui.engine.checkpoints.chosen import choose
from webui.engine.checkpoints.suits import abilities_of, kind_of, latents_of

CHECKPOINT = "hr_checkpoint_name"

_SAME = ("", "none", SAME_CHECKPOINT.casefold())


def is_same(title: str) -> bool:
    """Whether this names the first pass's checkpoint; A1111 leaves it empty, or writes None or its own words."""
    return title.strip().casefold() in _SAME


def choose_second(
    title: str, wanted_hash: str, base: Checkpoint, upscaler: Upscaler | None, catalogue: Catalogue, registry: Registry
) -> Checkpoint:
    """The checkpoint that draws over a picture of `base`; its own hash is known.

    wanted_hash: of the file that a stored request was made with. Raises UnknownName, ModelProblem, InvalidField.
    """
    found = catalogue.hashed(catalogue.as_now(catalogue.find(title)).usable())
    if wanted_hash and found.hash != wanted_hash:
        raise ModelProblem(
            f"The checkpoint that this second pass was made with ({wanted_hash[:10]}) cannot be found under the name "
            f"{title}.",
            field=CHECKPOINT,
            remedies=("Put the old file back", f"Use what is there: leave {HASH} out"),
        )
    if HIRES not in abilities_of(found, registry):
        raise InvalidField(
            f"{kind_of(found, registry)} cannot make a second pass.",
            field=CHECKPOINT,
            remedies=("Choose another checkpoint", f"Use '{SAME_CHECKPOINT}'"),
        )
    shared = latents_of(base, registry) in filter(None, [latents_of(found, registry)])
    if upscaler and upscaler.is_latent and not shared:
        raise InvalidField(
            f"{found.name} cannot go on with the latents of {base.name}, which are of another kind; the picture must "
            "be enlarged itself.",
            field="hr_upscaler",
            remedies=("Use 'Lanczos'", f"Use '{SAME_CHECKPOINT}'"),
        )
    # What it lacks is told now.
    choose(found, "", "", catalogue)
    return found


def second_files(request: GenerationRequest) -> GenerationRequest | None:
    """What says of a request which files the second pass's checkpoint is made of, and in what precision they are kept;
    None where it is the first pass's. By it that is found again: see `find_accepted`.
    """
    if request.hires is None or not request.hires.hr_checkpoint_hash:
        return None
    return GenerationRequest(
        # What is said of parts' precision is said of its parts too.
        **{name: getattr(request, name) for name in FIELD_OF.values()},
        checkpoint=request.hires.hr_checkpoint_name,
        checkpoint_hash=request.hires.hr_checkpoint_hash,
    )
