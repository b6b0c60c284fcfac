"""The same model in another form: .ckpt as safetensors, single file as diffusers folder and back, other precisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from webui.core.errors import InvalidField, ModelProblem
from webui.core.model_work import DIFFUSERS, Convert
from webui.engine.checkpoints.checkpoint import Checkpoint
from webui.engine.checkpoints.forms.base import FolderForm, folder_form, single_form
from webui.engine.checkpoints.identify import Kinds
from webui.engine.checkpoints.parts import Part
from webui.engine.families.clip_texts import without_last_layer
from webui.engine.reading.kept import to_type
from webui.engine.work.base import Progress, ShouldStop, Steps
from webui.engine.work.carried import carry_facts
from webui.engine.work.files import WorkFiles, new_folder
from webui.engine.work.folder_form import write_form
from webui.engine.work.tensors import (
    Opened,
    Piece,
    as_single,
    is_scale,
    network_of,
    open_parts,
    renamed,
    row_of,
    unchanged,
)
from webui.engine.work.writing import content_of, kept_in, size_of, write_file
from webui.plugins.resolve import resolve

_FOLDER_LAYOUTS = ("diffusers", "transformers")
_WEIGHTS = {"text_encoder": "model.safetensors"}
_OTHER_WEIGHTS = "diffusion_pytorch_model.safetensors"
_MARKS = ("", "model.diffusion_model.")
"""Where programs look for the marks that say of an SDXL model what it predicts."""


def convert(request: Convert, files: WorkFiles, progress: Progress, should_stop: ShouldStop) -> Path:
    """Write the model in the form that is asked for and say where it is.

    A single file that stays one keeps all its tensors. A folder is written of the parts that the model is loaded from,
    further files included. Without another precision every tensor keeps its bytes; of quantised (GGUF) and scaled
    8-bit weights come fp16 ones. Raises DarkroomError, or Stopped.
    """
    request.check()
    source = files.source
    if not source.family:
        raise ModelProblem(f"{source.name} cannot be converted. {source.problem or ''}".rstrip(), field="checkpoint")
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
    source, target, kinds = files.source, files.target, files.kinds
    if source.missing:
        raise ModelProblem(
            f"{source.name} is not whole, so it can be no folder: {', '.join(source.missing)} is missing.",
            field="checkpoint",
            remedies=("Put the missing part into models/VAE or models/text_encoder",),
        )
    form = folder_form(kinds.families, source.family)
    parts = {name: _as_in_folders(source, part) for name, part in source.parts.items()}
    with open_parts(parts) as opened:
        casts, networks = {}, {}
        for name, part in parts.items():
            networks[name] = network_of(part, row_of(part, kinds))
            casts[name] = _Cast(request, parts, _in_folder(name, part, networks[name], opened, kinds))
        total = sum(size_of(cast.pieces) for cast in casts.values())
        content = sum(content_of(cast.pieces) for cast in casts.values())
        steps = Steps(content, "Converting", progress, should_stop)
        with new_folder(target, total, overwrite=request.overwrite) as folder:
            for name, cast in casts.items():
                (folder / name).mkdir()
                _write_config(networks[name], parts[name], form, folder / name, cast, kinds)
                weights = folder / name / _WEIGHTS.get(parts[name].role, _OTHER_WEIGHTS)
                write_file(weights, cast.pieces, cast.make, steps, check=unchanged(opened))
                cast.say(steps)
            classes = {name: _class_of(networks[name], parts[name], kinds) for name in parts}
            for sentence in write_form(source, form, folder, classes):
                steps.say(sentence)
    return target


def _as_in_folders(source: Checkpoint, part: Part) -> Part:
    """The part as folders have it: SD2's text encoder ends there before the last layer, and has no projection."""
    if source.family != "sd2" or part.role != "text_encoder":
        return part
    config = {**part.form.config, **without_last_layer(part)}
    return replace(part, form=replace(part.form, config=config, facts={**part.form.facts, "projection": False}))


def _in_folder(name: str, part: Part, network: nn.Module, opened: Opened, kinds: Kinds) -> dict[str, Piece]:
    row = row_of(part, kinds)
    layout = next(row.layouts[known] for known in _FOLDER_LAYOUTS if known in row.layouts)
    parameters = dict(network.state_dict())
    return renamed(name, part, row, opened, resolve(layout), parameters=parameters)


def _class_of(network: nn.Module, part: Part, kinds: Kinds) -> tuple[str, str]:
    """(library, class) as model_index.json has them."""
    classes = row_of(part, kinds).classes
    name = type(network).__name__
    return ("transformers" if part.role == "text_encoder" else "diffusers"), name if name in classes else classes[0]


def _write_config(network: Any, part: Part, form: FolderForm, folder: Path, cast: _Cast, kinds: Kinds) -> None:
    if part.role == "text_encoder":
        network.config.architectures = [_class_of(network, part, kinds)[1]]
        network.config.dtype = cast.most
        network.config.save_pretrained(folder)
        return
    config = part.form.config
    if part.role == "vae":
        scaling, shift = form.scaling
        network.register_to_config(
            scaling_factor=config.get("scaling_factor") or scaling, shift_factor=config.get("shift_factor") or shift
        )
    if "sample_size" in network.config and "sample_size" not in config:
        network.register_to_config(sample_size=form.side if part.role == "vae" else form.side // 8)
    (folder / "config.json").write_text(network.to_json_string(), encoding="utf-8")


def _marks(source: Checkpoint) -> dict[str, Piece]:
    """Tensors without content that say in a single file what a folder's scheduler says."""
    if source.prediction_type != "v_prediction":
        return {}
    names = ["v_pred", *(["ztsnr"] if source.scheduler.get("rescale_betas_zero_snr") else [])]
    empty = Piece(torch.float32, (0,), lambda dtype: torch.zeros(0))
    return {f"{place}{name}": empty for place in _MARKS for name in names}


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

    @property
    def most(self) -> torch.dtype:
        """The type that most of the numbers are in."""
        sizes: dict[torch.dtype, int] = {}
        for piece in self.pieces.values():
            sizes[piece.dtype] = sizes.get(piece.dtype, 0) + torch.Size(piece.shape).numel()
        return max(sizes, key=lambda dtype: sizes[dtype])

    def make(self, name: str) -> Tensor:
        """A tensor as it is written."""
        source, dtype = self._sources[name], self.pieces[name].dtype
        if not self._wanted.get(source.part, "") or not source.dtype.is_floating_point:
            return source.read(None)
        tensor = to_type(source.read(torch.float32), dtype)
        if not bool(torch.isfinite(tensor.float()).all()):
            self._broken.append(name)
        return tensor

    def say(self, steps: Steps) -> None:
        """Tell of weights that are no numbers; they are as they were, or too large for the new type."""
        if self._broken:
            steps.say(f"{len(self._broken)} tensors hold values that are no numbers, as {self._broken[0]}.")
