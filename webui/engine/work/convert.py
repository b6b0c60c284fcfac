"""The same model in another form: .ckpt as safetensors, single file as diffusers folder and back, other precisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from webui.core.errors import InvalidField
from webui.core.model_work import DIFFUSERS, Convert
from webui.engine.checkpoints.checkpoint import Checkpoint
from webui.engine.checkpoints.forms.base import single_form
from webui.engine.checkpoints.parts import Part
from webui.engine.reading.kept import to_type
from webui.engine.work.base import Progress, ShouldStop, Steps
from webui.engine.work.carried import carry_facts
from webui.engine.work.files import WorkFiles
from webui.engine.work.folder import (
    FolderPart,
    as_in_folders,
    content_of_parts,
    folder_layout,
    write_folder,
)
from webui.engine.work.one_file import check_form
from webui.engine.work.tensors import Piece, as_single, is_scale, network_of, open_parts, renamed, row_of, unchanged
from webui.engine.work.workable import check_convertible
from webui.engine.work.writing import content_of, kept_in, write_file

_PLACES = ("", "model.diffusion_model.")
"""Where programs look for the marks that say of an SDXL model what it predicts."""


def convert(request: Convert, files: WorkFiles, progress: Progress, should_stop: ShouldStop) -> Path:
    """Write the model in the form that is asked for and say where it is.

    A single file that stays one keeps all its tensors. A folder is written of the parts that the model is loaded from,
    further files included. Without another precision every tensor keeps its bytes; of quantised (GGUF) and scaled
    8-bit weights come fp16 ones. Raises DarkroomError, as for a folder's model that one file cannot hold; or Stopped.
    """
    request.check()
    source = files.source
    check_convertible(source, request.form, files.kinds)
    if request.form != DIFFUSERS and files.target.suffix != f".{request.form}":
        raise InvalidField(f"{files.target.name} does not end in .{request.form}.", field="target")
    with torch.inference_mode():
        write = _to_folder if request.form == DIFFUSERS else _to_file
        return write(request, files, progress, should_stop)


def _to_file(request: Convert, files: WorkFiles, progress: Progress, should_stop: ShouldStop) -> Path:
    source, target, kinds = files.source, files.target, files.kinds
    whole = source.path if source.kind == "single" else None
    parts = source.inside or source.parts
    with open_parts(parts, *([whole] if whole else [])) as opened:
        pieces = as_single(parts, single_form(kinds.families, source.family), opened, kinds, whole)
        if whole is None:
            check_form(source, parts, pieces, kinds, "form")
            pieces |= _marks(source)
        cast = _Cast(request, parts, pieces)
        steps = Steps(content_of(cast.pieces), "Converting", progress, should_stop)
        metadata = opened[whole].header.metadata if whole else {}
        write_file(
            target,
            cast.pieces,
            cast.make,
            steps,
            check=unchanged(opened),
            metadata=metadata,
            overwrite=request.overwrite,
        )
        cast.say(steps)
    carry_facts(source, target, cast.pieces, steps.say, overwrite=request.overwrite)
    return target


def _to_folder(request: Convert, files: WorkFiles, progress: Progress, should_stop: ShouldStop) -> Path:
    source, kinds = files.source, files.kinds
    parts = {name: as_in_folders(source, part) for name, part in source.parts.items()}
    with open_parts(parts) as opened:
        casts, made = {}, {}
        for name, part in parts.items():
            row, network = row_of(part, kinds), network_of(part, row_of(part, kinds))
            layout, parameters = folder_layout(part, kinds), dict(network.state_dict())
            casts[name] = _Cast(request, parts, renamed(name, part, row, opened, layout, parameters=parameters))
            made[name] = FolderPart(part, network, casts[name].pieces, casts[name].make)
        steps = Steps(content_of_parts(made), "Converting", progress, should_stop)
        write_folder(source, files.target, made, kinds, steps, check=unchanged(opened), overwrite=request.overwrite)
        for cast in casts.values():
            cast.say(steps)
    return files.target


def _marks(source: Checkpoint) -> dict[str, Piece]:
    """Tensors without content that say in a single file what a folder's scheduler says."""
    if source.prediction_type != "v_prediction":
        return {}
    names = ["v_pred", *(["ztsnr"] if source.scheduler.get("rescale_betas_zero_snr") else [])]
    empty = Piece(torch.float32, (0,), lambda dtype: torch.zeros(0))
    return {f"{place}{name}": empty for place in _PLACES for name in names}


class _Cast:
    """Pieces in the precisions that are asked for; what comes out as no number is counted."""

    def __init__(self, request: Convert, parts: Mapping[str, Part], pieces: Mapping[str, Piece]) -> None:
        self._sources = pieces
        self._wanted = {name: request.precision.get(part.role, "") for name, part in parts.items()}
        self._broken: list[str] = []
        self.pieces: dict[str, Piece] = {}
        for name, piece in pieces.items():
            precision = self._wanted.get(piece.part, "")
            if precision and is_scale(name):
                continue
            self.pieces[name] = replace(piece, dtype=kept_in(piece, precision))

    def make(self, name: str) -> Tensor:
        """A tensor as it is written."""
        source, dtype = self._sources[name], self.pieces[name].dtype
        if not self._wanted.get(source.part, "") or not source.dtype.is_floating_point:
            tensor = source.read(None)
        else:
            tensor = to_type(source.read(torch.float32), dtype)
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor.float()).all()):
            self._broken.append(name)
        return tensor

    def say(self, steps: Steps) -> None:
        """Tell of weights that are no numbers; they are as they were, or too large for the new type."""
        if self._broken:
            count, first = len(self._broken), self._broken[0]
            what = "1 tensor holds" if count == 1 else f"{count} tensors hold"
            steps.say(f"{what} values that are no numbers, as {first}.")
