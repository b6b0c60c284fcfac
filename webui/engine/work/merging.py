"""What a merge works on, and whether it fits, before anything is read. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from webui.core.errors import InvalidField, ModelProblem
from webui.core.model_work import ADD_DIFFERENCE, DIFFUSERS, MERGED, TAKES, Merge
from webui.engine.checkpoints.checkpoint import Checkpoint
from webui.engine.checkpoints.forms.base import forms_of
from webui.engine.checkpoints.identify import Kinds
from webui.engine.work.only_folders import check_words
from webui.engine.work.workable import REMEDIES, check_prediction, check_whole, title_of


@dataclass(frozen=True, slots=True)
class MergeFiles:
    """What is merged: A, and where the method takes them B and C; a VAE to bake in; where the result goes.

    kinds: the rows that they are known by.
    """

    a: Checkpoint
    target: Path
    b: Checkpoint | None = None
    c: Checkpoint | None = None
    vae: Path | None = None
    kinds: Kinds = field(default_factory=Kinds.built_in)


def merged(request: Merge, files: MergeFiles) -> dict[str, Checkpoint]:
    """The checkpoints that the method takes, by their letters. Raises InvalidField, ModelProblem: they do not fit."""
    wanted = TAKES[request.interp_method]
    given = {"A": files.a, "B": files.b, "C": files.c}
    found = {letter: checkpoint for letter, checkpoint in given.items() if checkpoint is not None}
    if set(found) != set(wanted):
        raise InvalidField(
            f"{request.interp_method} takes {' and '.join(wanted)}; given: {' and '.join(found)}.",
            field="interp_method",
            remedies=("Name as many models as it takes", "Choose another method"),
        )
    if request.metadata_from in given and request.metadata_from not in found:
        raise InvalidField(f"There is no {request.metadata_from} whose metadata to take.", field="metadata_from")
    for letter, checkpoint in found.items():
        _check_family(letter, checkpoint, files)
    if request.format == DIFFUSERS:
        joins = found["B"].inside if "B" in found and request.interp_method != ADD_DIFFERENCE else {}
        given_parts = {*joins, *(["vae"] if files.vae else [])}
        check_whole(files.a, [part for part in files.a.missing if part not in given_parts], MERGED["A"])
        check_prediction(files.a, MERGED["A"], files.kinds)
    else:
        check_words(files.a, "format")
    return found


def _check_family(letter: str, checkpoint: Checkpoint, files: MergeFiles) -> None:
    field = MERGED[letter]
    if not forms_of(files.kinds.families, checkpoint.family).merges:
        why = checkpoint.problem or "It is of a family that is not merged here: SD1, SD2 and SDXL are."
        raise ModelProblem(f"{letter}, {checkpoint.name}, cannot be merged. {why}", field=field, remedies=REMEDIES)
    if checkpoint.family != files.a.family:
        raise ModelProblem(
            f"{letter}, {checkpoint.name}, is a model of {title_of(checkpoint.family, files.kinds)} and A of "
            f"{title_of(files.a.family, files.kinds)}; only models of one family can be merged.",
            field=field,
            remedies=("Choose models of one family",),
        )
