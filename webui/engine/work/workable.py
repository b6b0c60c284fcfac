"""What can be merged and converted, as far as it is known before anything is opened. Torch-free."""

from __future__ import annotations

from collections.abc import Iterable

from webui.core.errors import ModelProblem
from webui.core.model_work import DIFFUSERS
from webui.core.registry import MEASURED
from webui.engine.checkpoints.checkpoint import Checkpoint
from webui.engine.checkpoints.forms.base import folder_form, single_form
from webui.engine.checkpoints.identify import Kinds
from webui.engine.work.only_folders import check_words

REMEDIES = ("Choose another checkpoint", "Mend or replace its files, then refresh the list")
"""The ways out for a model that is not what it should be."""


def title_of(family: str, kinds: Kinds) -> str:
    """What people call a family."""
    return next((row.title for row in kinds.families if row.name == family), family)


def check_known(source: Checkpoint, field: str, done: str) -> None:
    """Raises ModelProblem, at this field of the request, for what is of no family or has no denoiser.

    done: what cannot be done with it, as in "cannot be merged".
    """
    # A folder that diffusers' own pipeline would run is of a family by its index alone, whatever it lacks.
    lacks = source.problem and all(part.role != "denoiser" for part in source.inside.values())
    if not source.family or lacks:
        raise ModelProblem(
            f"{source.name} cannot be {done}. {source.problem or ''}".rstrip(), field=field, remedies=REMEDIES
        )


def check_convertible(source: Checkpoint, form: str, kinds: Kinds) -> None:
    """Raises ModelProblem for a model that cannot be written in this form: a folder's, or a single file's."""
    check_known(source, "checkpoint", "converted")
    if form == DIFFUSERS:
        folder_form(kinds.families, source.family)
        check_whole(source, source.missing, "checkpoint")
        check_prediction(source, "checkpoint", kinds)
    else:
        single_form(kinds.families, source.family)
        check_words(source, "form")


def check_prediction(source: Checkpoint, field: str, kinds: Kinds) -> None:
    """Raises ModelProblem, at this field of the request, where nothing says what it predicts, as a folder must."""
    measured = any(row.name == source.family and row.prediction == MEASURED for row in kinds.families)
    # A folder's own scheduler goes with it.
    if measured and not source.prediction_type and not (source.path / "scheduler").is_dir():
        sidecar = "darkroom.json into it" if source.path.is_dir() else f"{source.path.stem}.darkroom.json beside it"
        raise ModelProblem(
            f"Nothing says whether {source.name} predicts noise or velocity, which a folder must say.",
            field=field,
            remedies=(
                *(() if source.path.is_dir() else ("Put the model's .yaml file beside it",)),
                f'Put a {sidecar} that holds {{"prediction_type": "v_prediction"}}, or "epsilon" for noise',
            ),
        )


def check_whole(source: Checkpoint, missing: Iterable[str], field: str) -> None:
    """Raises ModelProblem, at this field of the request, when parts are missing, without which it can be no folder."""
    lacking = ", ".join(missing)
    if lacking:
        raise ModelProblem(
            f"{source.name} is not whole, so it can be no folder: {lacking} is missing.",
            field=field,
            remedies=("Put the missing part into models/VAE or models/text_encoder",),
        )
