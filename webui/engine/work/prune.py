"""Leave out of a file what no part of its family reads, as optimizer states; or keep the averaged weights alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from webui.core.errors import InvalidField, ModelProblem
from webui.core.model_work import FORMATS, Prune
from webui.engine.checkpoints.checkpoint import Checkpoint
from webui.engine.checkpoints.identify import Kinds
from webui.engine.checkpoints.parts import Part
from webui.engine.work.base import Progress, ShouldStop, Steps
from webui.engine.work.carried import MARKS, carry_facts
from webui.engine.work.files import WorkFiles
from webui.engine.work.prunable import check_prunable
from webui.engine.work.tensors import Piece, is_scale, kept, open_parts, parameters_of, row_of, unchanged
from webui.engine.work.weights import WeightFile
from webui.engine.work.writing import content_of, write_file
from webui.plugins.resolve import resolve

_UNET = "model.diffusion_model."
# The program that trained SD keeps averages of what is inside `model.`, under names without their points.
_EMA, _AVERAGED = "model_ema.", "model."
# What a torch file may hold besides its numbers before it counts: its program and the gaps of a zip take less.
_BESIDE_BYTES = 4 * 2**20


def prune(request: Prune, files: WorkFiles, progress: Progress, should_stop: ShouldStop) -> Path:
    """Write the smaller file and say where it is; every tensor that stays keeps its name and its bytes.

    Raises DarkroomError: it is a folder or a GGUF file, which hold nothing else; nothing in it could be left out; there
    are no averaged weights to keep.
    """
    source = files.source
    check_prunable(source)
    if not source.family:
        raise ModelProblem(f"{source.name} cannot be pruned. {source.problem or ''}".rstrip(), field="checkpoint")
    if files.target.suffix.lstrip(".") not in FORMATS:
        raise InvalidField(f"{files.target.name} does not end in .safetensors or .ckpt.", field="target")
    with torch.inference_mode(), open_parts(source.inside, source.path) as opened:
        file = opened[source.path]
        needed = _needed(source, file, files.kinds)
        pieces = {name: kept(file, name) for name in file.names if name in needed}
        if request.keep_ema:
            pieces = _averaged(source, file, pieces)
        left = len(file.names) - len(pieces)
        beside = _beside(file)
        if not left and not beside:
            raise ModelProblem(
                f"There is nothing to prune in {source.name}: every tensor in it is read.",
                field="checkpoint",
                remedies=("Use it as it is", "Convert it, if another form or precision is wanted"),
            )
        steps = Steps(content_of(pieces), "Pruning", progress, should_stop)

        def make(name: str) -> Tensor:
            return pieces[name].read(None)

        write_file(
            files.target,
            pieces,
            make,
            steps,
            check=unchanged(opened),
            metadata=file.header.metadata,
            overwrite=request.overwrite,
        )
        steps.say(
            f"{left} of {len(file.names)} tensors were left out{', and what lies beside them' if beside else ''}."
        )
    carry_facts(source, files.target, pieces, steps.say, overwrite=request.overwrite)
    return files.target


def _needed(source: Checkpoint, file: WeightFile, kinds: Kinds) -> set[str]:
    """The names of the tensors that the family's parts read, with what belongs to them."""
    needed = {mark for mark in (*MARKS, *(_UNET + mark for mark in MARKS)) if mark in file}
    for part in source.inside.values():
        needed |= _of_part(part, kinds)
    return needed | {name for name in file.names if is_scale(name)}


def _of_part(part: Part, kinds: Kinds) -> set[str]:
    row = row_of(part, kinds)
    layout = resolve(row.layouts[part.form.layout])
    return {part.prefix + layout(name, part.form.config).name for name in parameters_of(part, row)}


def _beside(file: WeightFile) -> bool:
    """Whether a torch file holds much besides the tensors that are seen in it, as an optimizer's states."""
    if file.header.format != "pickle":
        return False
    seen = content_of({name: kept(file, name) for name in file.names})
    return file.path.stat().st_size - seen > _BESIDE_BYTES


def _averaged(source: Checkpoint, file: WeightFile, pieces: Mapping[str, Piece]) -> dict[str, Piece]:
    """The pieces with the averages in place of what they are averages of. Raises ModelProblem: there are none."""
    found = {}
    for name, piece in pieces.items():
        average = _EMA + name.removeprefix(_AVERAGED).replace(".", "")
        if not name.startswith(_UNET) or average not in file:
            continue
        if file.info(average).shape != piece.shape:
            raise ModelProblem(f"{source.name} is damaged: {average} does not fit {name}.", field="checkpoint")
        found[name] = replace(kept(file, average), part=piece.part)
    if not found:
        raise ModelProblem(
            f"{source.name} holds no averaged (EMA) weights.", field="keep_ema", remedies=("Prune it without them",)
        )
    return {**pieces, **found}
