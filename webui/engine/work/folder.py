"""Write a model as a folder in diffusers' form: each part's configuration and weights, and what lies beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from webui.engine.checkpoints.checkpoint import Checkpoint
from webui.engine.checkpoints.forms.base import FolderForm, folder_form
from webui.engine.checkpoints.identify import Kinds
from webui.engine.checkpoints.parts import Part
from webui.engine.families.clip_texts import without_last_layer
from webui.engine.layouts.base import Layout
from webui.engine.work.base import Steps
from webui.engine.work.carried import carry_into
from webui.engine.work.files import new_folder
from webui.engine.work.folder_form import write_form
from webui.engine.work.tensors import Piece, row_of
from webui.engine.work.writing import Make, content_of, size_of, write_file
from webui.plugins.resolve import resolve

_LAYOUTS = ("diffusers", "transformers")
_WEIGHTS = {"text_encoder": "model.safetensors"}
_OTHER_WEIGHTS = "diffusion_pytorch_model.safetensors"


@dataclass(frozen=True)
class FolderPart:
    """One network to be written: its form as folders have it, the library's network of it without memory, its tensors.

    pieces: by the names in `folder_layout`. metadata: for the header of its weights.
    """

    part: Part
    network: nn.Module
    pieces: Mapping[str, Piece]
    make: Make
    metadata: Mapping[str, str] = field(default_factory=dict)


def as_in_folders(source: Checkpoint, part: Part) -> Part:
    """The part as folders have it: SD2's text encoder ends there before the last layer, and has no projection."""
    if source.family != "sd2" or part.role != "text_encoder":
        return part
    config = {**part.form.config, **without_last_layer(part)}
    return replace(part, form=replace(part.form, config=config, facts={**part.form.facts, "projection": False}))


def folder_layout(part: Part, kinds: Kinds) -> Layout:
    """The naming of a part's tensors in folders."""
    row = row_of(part, kinds)
    found: Layout = resolve(next(row.layouts[known] for known in _LAYOUTS if known in row.layouts))
    return found


def content_of_parts(parts: Mapping[str, FolderPart]) -> int:
    """Bytes of all their numbers, of which works tell how many are done."""
    return sum(content_of(part.pieces) for part in parts.values())


def write_folder(
    source: Checkpoint,
    target: Path,
    parts: Mapping[str, FolderPart],
    kinds: Kinds,
    steps: Steps,
    *,
    check: Callable[[], None],
    overwrite: bool = False,
) -> None:
    """A new folder of these parts in the form of `source`, whose scheduler, tokenizers and settings go with it.

    check: see `write_file`. Raises Conflict, StorageProblem, Stopped, and what making a tensor raises.
    """
    form = folder_form(kinds.families, source.family)
    total = sum(size_of(part.pieces) for part in parts.values())
    with new_folder(target, total, overwrite=overwrite) as folder:
        # First what may refuse: the weights take long.
        classes = {name: _class_of(one, kinds) for name, one in parts.items()}
        for sentence in write_form(source, form, folder, classes):
            steps.say(sentence)
        carry_into(source, folder)
        for name, one in parts.items():
            (folder / name).mkdir()
            _write_config(one, form, folder / name, kinds)
            weights = folder / name / _WEIGHTS.get(one.part.role, _OTHER_WEIGHTS)
            write_file(weights, one.pieces, one.make, steps, check=check, metadata=one.metadata)


def _class_of(one: FolderPart, kinds: Kinds) -> tuple[str, str]:
    """(library, class) as model_index.json has them."""
    classes = row_of(one.part, kinds).classes
    name = type(one.network).__name__
    return ("transformers" if one.part.role == "text_encoder" else "diffusers"), name if name in classes else classes[0]


def _write_config(one: FolderPart, form: FolderForm, folder: Path, kinds: Kinds) -> None:
    network: Any = one.network
    if one.part.role == "text_encoder":
        network.config.architectures = [_class_of(one, kinds)[1]]
        network.config.dtype = _most(one.pieces)
        network.config.save_pretrained(folder)
        return
    config = one.part.form.config
    if one.part.role == "vae":
        scaling, shift = form.scaling
        network.register_to_config(
            scaling_factor=config.get("scaling_factor") or scaling, shift_factor=config.get("shift_factor") or shift
        )
    if "sample_size" in network.config and "sample_size" not in config:
        network.register_to_config(sample_size=form.side if one.part.role == "vae" else form.side // 8)
    (folder / "config.json").write_text(network.to_json_string(), encoding="utf-8")


def _most(pieces: Mapping[str, Piece]) -> torch.dtype:
    """The type that most of the numbers are in."""
    sizes: dict[torch.dtype, int] = {}
    for piece in pieces.values():
        sizes[piece.dtype] = sizes.get(piece.dtype, 0) + torch.Size(piece.shape).numel()
    return max(sizes, key=lambda dtype: sizes[dtype])
