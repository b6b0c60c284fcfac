"""Merge up to three checkpoints as A1111's merger does, tensor by tensor in fp32."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import torch
from torch import Tensor

from webui.core.errors import ModelProblem
from webui.core.model_work import ADD_DIFFERENCE, DIFFUSERS, Merge
from webui.engine.checkpoints.checkpoint import Checkpoint
from webui.engine.checkpoints.forms.base import single_form
from webui.engine.checkpoints.identify import Kinds
from webui.engine.checkpoints.parts import Part, look_inside
from webui.engine.reading.kept import to_type
from webui.engine.work.base import Progress, ShouldStop, Steps
from webui.engine.work.carried import carry_facts
from webui.engine.work.folder import content_of_parts, write_folder
from webui.engine.work.merge_folder import Planned, folder_parts, parts_of
from webui.engine.work.merging import MergeFiles, merged
from webui.engine.work.one_file import check_form
from webui.engine.work.recipe import metadata_of, recipe
from webui.engine.work.tensors import Opened, Piece, as_single, is_scale, open_parts, unchanged
from webui.engine.work.writing import content_of, kept_in, write_file

# A1111 merges what has this in its name and takes the rest (tables of noise levels) from A.
_MERGED_NAMES = "model"
# Places of words, which some programs have damaged by merging them.
_NEVER_MERGED = ("cond_stage_model.transformer.text_model.embeddings.position_ids",)
_EXTRA_CHANNELS = {9: "inpainting", 8: "InstructPix2Pix"}


Write = Callable[[Mapping[str, str], Callable[[float], Steps]], None]
"""Writes the result, given its metadata and what counts steps of a whole of so many bytes."""


@dataclass(frozen=True)
class _Open:
    """One open checkpoint: its tensors by their names in a single file."""

    letter: str
    checkpoint: Checkpoint
    pieces: Mapping[str, Piece]


def merge(request: Merge, files: MergeFiles, progress: Progress, should_stop: ShouldStop) -> Path:
    """Write the merged checkpoint and say where it is.

    Weighted sum: A * (1 - M) + B * M. Add difference: A + (B - C) * M. No interpolation: A, for a VAE to be baked in or
    another precision. What only B has joins a weighted sum as it is. Where A takes more channels than B (inpainting,
    InstructPix2Pix), the channels that B lacks stay A's. Raises DarkroomError: the checkpoints do not fit each other,
    a result that is no number, a full disk; or Stopped.
    """
    request.check()
    named = merged(request, files)
    with torch.inference_mode(), ExitStack() as stack:
        work = _Work(request, files, named, stack)
        write = work.folder() if request.format == DIFFUSERS else work.file()
        metadata = metadata_of(request, named, work.metadata)
        if request.add_merge_recipe:
            steps = Steps(0, "Reading the models to name them in the recipe", progress, should_stop)
            metadata |= recipe(request, files, named, work.metadata, work.plan.channels, steps)
        write(metadata, lambda size: Steps(size, "Merging", progress, should_stop))
    return files.target


class _Work:
    """The open models of a merge, and how their merge is written in either form."""

    def __init__(self, request: Merge, files: MergeFiles, named: Mapping[str, Checkpoint], stack: ExitStack) -> None:
        self._request, self._files, self._named, self._stack = request, files, named, stack
        self._opened = [stack.enter_context(open_parts(checkpoint.inside)) for checkpoint in named.values()]
        opened = dict(zip(named, self._opened, strict=True))
        self.metadata = {letter: _own_metadata(c, opened[letter]) for letter, c in named.items()}
        """What the header of each model's file says."""
        self._sources = {letter: _open(letter, c, opened[letter], files.kinds) for letter, c in named.items()}
        self._vae = _vae_of(files.vae, files.kinds) if files.vae else None
        baked = self._renamed({"vae": self._vae}) if self._vae else {}
        self.plan = _Plan(request, self._sources, baked)

    def file(self) -> Write:
        """How one file is written. Raises ModelProblem when one cannot hold the result."""
        request, files, a = self._request, self._files, self._files.a
        own = {name: part for name, part in a.inside.items() if name != "vae" or self._vae is None}
        check_form(a, own, self._sources["A"].pieces, files.kinds, "format")
        pieces = self.plan.pieces()

        def write(metadata: Mapping[str, str], steps_of: Callable[[float], Steps]) -> None:
            steps, check = steps_of(content_of(pieces)), unchanged(*self._opened)
            target, make, overwrite = files.target, self.plan.make, request.overwrite
            write_file(target, pieces, make, steps, check=check, metadata=metadata, overwrite=overwrite)
            carry_facts(a, target, pieces, steps.say, overwrite=overwrite)

        return write

    def folder(self) -> Write:
        """How a folder is written. Raises ModelProblem when the result is none that a folder holds."""
        files, kinds, a = self._files, self._files.kinds, self._files.a
        joins = "B" in self._named and self._request.interp_method != ADD_DIFFERENCE
        parts = parts_of(self._named, self._vae, joins=joins)
        lacking = {name: part for name, part in parts.items() if name not in a.inside and part is a.parts.get(name)}
        pieces = self.plan.pieces(self._renamed(lacking))
        made = folder_parts(a, parts, Planned(pieces, self.plan.make, self.plan.discarded), kinds)

        def write(metadata: Mapping[str, str], steps_of: Callable[[float], Steps]) -> None:
            # A folder has no header of its own.
            parts = {n: replace(p, metadata=metadata) if p.part.role == "denoiser" else p for n, p in made.items()}
            steps, check = steps_of(content_of_parts(made)), unchanged(*self._opened)
            write_folder(a, files.target, parts, kinds, steps, check=check, overwrite=self._request.overwrite)

        return write

    def _renamed(self, parts: Mapping[str, Part]) -> dict[str, Piece]:
        """Parts of other files by their names in one file."""
        opened = self._stack.enter_context(open_parts(parts))
        self._opened.append(opened)
        places = single_form(self._files.kinds.families, self._files.a.family)
        return as_single(parts, places, opened, self._files.kinds, None)


def _open(letter: str, checkpoint: Checkpoint, opened: Opened, kinds: Kinds) -> _Open:
    whole = checkpoint.path if checkpoint.kind == "single" else None
    pieces = as_single(checkpoint.inside, single_form(kinds.families, checkpoint.family), opened, kinds, whole)
    return _Open(letter, checkpoint, {name: piece for name, piece in pieces.items() if not is_scale(name)})


def _own_metadata(checkpoint: Checkpoint, opened: Opened) -> Mapping[str, str]:
    """What the file's header says, of a folder that of its denoiser's weights."""
    denoiser = next((part.files for part in checkpoint.inside.values() if part.role == "denoiser"), ())
    return next((opened[file].header.metadata for file in (checkpoint.path, *denoiser) if file in opened), {})


def _vae_of(path: Path, kinds: Kinds) -> Part:
    part = next((p for p in look_inside(path, kinds.architectures).parts if p.architecture == "kl"), None)
    if part is None:
        raise ModelProblem(f"{path.name} is no VAE of Stable Diffusion.", field="vae")
    return part


class _Plan:
    """What each tensor of the result is made of."""

    def __init__(self, request: Merge, sources: Mapping[str, _Open], baked: Mapping[str, Piece]) -> None:
        self._request, self._sources, self._baked = request, sources, baked
        self._discard = re.compile(request.discard_weights) if request.discard_weights else None
        self._made: dict[str, Callable[[], Tensor]] = {}
        self._pieces: dict[str, Piece] = {}
        self.channels = 4
        """What the denoiser of the result takes."""
        self.discarded: set[str] = set()
        """The names of the tensors that are left out."""

    def pieces(self, further: Mapping[str, Piece] = MappingProxyType({})) -> dict[str, Piece]:
        """The result's tensors as they will be. further: taken as they are, where none of the models has them."""
        a, b = self._sources["A"], self._sources.get("B")
        for name, piece in a.pieces.items():
            self._plan(name, piece)
        for name, piece in self._baked.items():
            self._add(name, piece, _whole(piece))
        if b is not None and self._request.interp_method != ADD_DIFFERENCE:
            for name, piece in b.pieces.items():
                known = name in a.pieces or name in self._baked
                if not known and _MERGED_NAMES in name and name not in _NEVER_MERGED:
                    self._add(name, piece, _whole(piece))
        for name, piece in further.items():
            if name not in self._made:
                self._add(name, piece, _whole(piece))
        entry = a.pieces.get("model.diffusion_model.input_blocks.0.0.weight")
        self.channels = entry.shape[1] if entry else 4
        return self._pieces

    def make(self, name: str) -> Tensor:
        """A tensor of the result. Raises ModelProblem where it holds what is no number."""
        tensor = to_type(self._made[name](), self._pieces[name].dtype)
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ModelProblem(
                f"The tensor {name} would hold values that are no numbers (NaN or infinity); a model with them makes "
                "black pictures.",
                field="checkpoint",
                remedies=(
                    "Merge other models, of which none is damaged",
                    "Bake in another VAE, where it is the VAE's",
                    "Keep the result in bf16 or fp32, where the numbers are only too large for fp16",
                ),
            )
        return tensor

    def _plan(self, name: str, piece: Piece) -> None:
        if name in self._baked:
            return
        b = self._sources["B"].pieces.get(name) if "B" in self._sources else None
        c = self._sources["C"].pieces.get(name) if "C" in self._sources else None
        merged = b is not None and _MERGED_NAMES in name and name not in _NEVER_MERGED
        if not merged or b is None or not piece.dtype.is_floating_point:
            self._add(name, piece, _whole(piece))
            return
        if "C" in self._sources and c is None:
            # Of what C lacks there is no difference.
            self._add(name, piece, _whole(piece))
            return
        self._check_shapes(name, piece, b, c)
        self._add(name, piece, lambda: self._interpolated(piece, b, c))

    def _add(self, name: str, piece: Piece, make: Callable[[], Tensor]) -> None:
        if self._discard is not None and self._discard.search(name):
            self.discarded.add(name)
        else:
            self._made[name] = make
            self._pieces[name] = replace(piece, dtype=self._dtype(piece))

    def _dtype(self, piece: Piece) -> torch.dtype:
        dtype = kept_in(piece, self._request.precision)
        # Sums of 8-bit numbers have finer steps than 8 bits.
        return torch.float16 if dtype.is_floating_point and dtype.itemsize == 1 else dtype

    def _interpolated(self, a: Piece, b: Piece, c: Piece | None) -> Tensor:
        mine, theirs = a.read(torch.float32), b.read(torch.float32)
        if c is not None:
            theirs = theirs - c.read(torch.float32)
        common = slice(None, theirs.shape[1]) if theirs.shape != mine.shape else slice(None)
        part = mine[:, common] if theirs.shape != mine.shape else mine
        multiplier = self._request.multiplier
        part = part + theirs.mul_(multiplier) if c is not None else part * (1.0 - multiplier) + theirs.mul_(multiplier)
        if part.shape == mine.shape:
            return part
        mine = mine.clone()
        mine[:, common] = part
        return mine

    def _check_shapes(self, name: str, a: Piece, b: Piece, c: Piece | None) -> None:
        if c is not None and b.shape != c.shape:
            raise ModelProblem(
                f"B and C do not fit each other: the tensor {name} is {b.shape} in B and {c.shape} in C.",
                field="checkpoint",
            )
        if b.shape != a.shape:
            alike = len(a.shape) == 4 and a.shape[:1] + a.shape[2:] == b.shape[:1] + b.shape[2:]
            mine, theirs = (a.shape[1], b.shape[1]) if alike else (0, 0)
            if theirs == 4 and mine in _EXTRA_CHANNELS:
                return
            if mine == 4 and theirs in _EXTRA_CHANNELS:
                kind = _EXTRA_CHANNELS[theirs]
                raise ModelProblem(
                    f"B is an {kind} model and A is none: an {kind} model must be A.",
                    field="checkpoint",
                    remedies=(f"Choose {self._sources['B'].checkpoint.name} as A",),
                )
            raise ModelProblem(
                f"The models do not fit each other: the tensor {name} is {a.shape} in A and {b.shape} in B.",
                field="checkpoint",
            )


def _whole(piece: Piece) -> Callable[[], Tensor]:
    return lambda: piece.read(torch.float32)
