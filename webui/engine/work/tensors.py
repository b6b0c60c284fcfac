"""The tensors of a checkpoint by their names in a single file, whatever its form; each read when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from webui.core.errors import ModelProblem
from webui.core.registry import Architecture
from webui.engine.checkpoints.forms.base import Place
from webui.engine.checkpoints.identify import Kinds
from webui.engine.checkpoints.parts import Part
from webui.engine.layouts.base import Layout, Source, give, take
from webui.engine.reading.modules import build
from webui.engine.work.weights import SCALE_ENDS, WeightFile, open_file
from webui.plugins.resolve import resolve

Opened = Mapping[Path, WeightFile]
Read = Callable[[torch.dtype | None], Tensor]


@dataclass(frozen=True, slots=True)
class Piece:
    """One tensor to be: its type and shape, and how it is read.

    read: given None the tensor as it is kept, else the numbers that are meant in that type. part: whose it is, "" for
    what belongs to none.
    """

    dtype: torch.dtype
    shape: tuple[int, ...]
    read: Read
    part: str = ""

    @property
    def size_bytes(self) -> int:
        """What it takes."""
        return self.dtype.itemsize * torch.Size(self.shape).numel()


class Tensors(Protocol):
    """Where the tensors of a part are had by their names."""

    def dtype(self, name: str) -> torch.dtype:
        """The type in which it comes when none is asked for. Raises ModelProblem when it is missing."""

    def read(self, name: str, dtype: torch.dtype | None) -> Tensor:
        """It as it is kept, or the numbers that are meant in this type. Raises ModelProblem."""


@contextmanager
def open_parts(parts: Mapping[str, Part], *more: Path) -> Iterator[Opened]:
    """Open all files of these parts and further ones. Raises ModelProblem."""
    with ExitStack() as stack:
        files = dict.fromkeys([*(file for part in parts.values() for file in part.files), *more])
        yield {file: stack.enter_context(open_file(file)) for file in files}


def unchanged(*opened: Opened) -> Callable[[], None]:
    """A look whether all these files are as they were; it raises ModelProblem."""

    def check() -> None:
        for files in opened:
            for file in files.values():
                file.check_unchanged()

    return check


def as_single(
    parts: Mapping[str, Part], places: Mapping[str, Place], opened: Opened, kinds: Kinds, whole: Path | None
) -> dict[str, Piece]:
    """The pieces of a single file made of these parts.

    whole: a single file whose tensors beside the parts are taken along. A part in it that has its place already keeps
    its tensors' names and bytes; every other one is renamed.
    """
    pieces: dict[str, Piece] = {}
    moved = {name: part for name, part in parts.items() if not _in_place(part, places.get(name), whole)}
    if whole is not None:
        away = tuple(part.prefix for part in moved.values() if whole in part.files)
        prefixes = {place.prefix: name for name, place in places.items() if name in parts}
        for name in opened[whole].names:
            beside = not name.startswith(away) or any(name.startswith(p) for p in prefixes if prefixes[p] not in moved)
            if beside:
                owner = next((part for prefix, part in prefixes.items() if name.startswith(prefix)), "")
                pieces[name] = kept(opened[whole], name, owner)
    for name, part in moved.items():
        place = places.get(name)
        if place is None:
            raise ModelProblem(f"The part {name} has no place in a single file of this family.", field="checkpoint")
        row = row_of(part, kinds)
        pieces |= renamed(name, part, row, opened, resolve(row.layouts[place.layout]), place.prefix)
    return pieces


def kept(file: WeightFile, name: str, part: str = "") -> Piece:
    """A tensor of a file under its own name."""
    return Piece(file.dtype(name), file.info(name).shape, _reader(file, name), part)


def renamed(
    name: str,
    part: Part,
    row: Architecture,
    opened: Opened,
    layout: Layout,
    prefix: str = "",
    *,
    parameters: Mapping[str, Tensor] | None = None,
) -> dict[str, Piece]:
    """A part's tensors in another naming, beginning with a prefix.

    parameters: those of the library's network, without memory; None means all that the part's form has.
    """
    wanted = parameters if parameters is not None else parameters_of(part, row)
    files = _InFiles([opened[file] for file in part.files], part.prefix)
    ours: Layout = resolve(row.layouts[part.form.layout])
    return rearranged(name, wanted, part.form.config, (files, ours), layout, prefix)


def rearranged(
    name: str,
    parameters: Mapping[str, Tensor],
    config: Mapping[str, Any],
    source: tuple[Tensors, Layout],
    layout: Layout,
    prefix: str = "",
) -> dict[str, Piece]:
    """The pieces of the part `name` in a naming, beginning with a prefix, made of tensors of another one.

    parameters: the library's, without memory, of a network of this config. source: the tensors, and their naming.
    """
    tensors, ours = source
    groups: dict[str, list[tuple[Source, str, Tensor]]] = {}
    for parameter, meta in parameters.items():
        target = layout(parameter, config)
        groups.setdefault(target.name, []).append((target, parameter, meta))
    pieces = {}
    for target_name, members in groups.items():
        sources = [(target, ours(parameter, config), meta) for target, parameter, meta in members]
        shape = tuple(give((target, meta) for target, _, meta in sources)[target_name].shape)
        read = _joiner([(target, source) for target, source, _ in sources], tensors)
        pieces[prefix + target_name] = Piece(tensors.dtype(sources[0][1].name), shape, read, name)
    return pieces


def parameters_of(part: Part, row: Architecture) -> dict[str, Tensor]:
    """The parameters of the library's network of this form, without memory. Raises ModelProblem."""
    return dict(network_of(part, row).state_dict())


def network_of(part: Part, row: Architecture) -> nn.Module:
    """The library's network of this form, without memory for its weights. Raises ModelProblem."""
    make = resolve(row.build)
    try:
        network = build(lambda: make(part.form.config, part.form.facts))
    except Exception as error:
        # Whatever a strange form makes of the library's classes, it is the file that is wrong.
        raise ModelProblem(f"{part.files[0].name} is of a form that no {row.title} has.", field="checkpoint") from error
    return network.to("meta")


def row_of(part: Part, kinds: Kinds) -> Architecture:
    """The row of a part's architecture."""
    return next(row for row in kinds.architectures if row.name == part.architecture)


def holder(files: Sequence[WeightFile], name: str) -> WeightFile:
    """The one of these files that has the tensor; the first where none has, whose sentence then says it."""
    return next((file for file in files if name in file), files[0])


def is_scale(name: str) -> bool:
    """Whether a tensor belongs to an 8-bit weight and means nothing where that is kept otherwise."""
    return name.endswith(SCALE_ENDS)


def _in_place(part: Part, place: Place | None, whole: Path | None) -> bool:
    return part.files == (whole,) and place is not None and (part.prefix, part.form.layout) == place


def _reader(file: WeightFile, name: str) -> Read:
    return lambda dtype: file.exact(name) if dtype is None else file.meant(name, dtype)


def _joiner(sources: Sequence[tuple[Source, Source]], tensors: Tensors) -> Read:
    """Reads a tensor that is joined of others: (its place in the target, its place in the source)."""

    def read(dtype: torch.dtype | None) -> Tensor:
        parameters = [(target, take(tensors.read(source.name, dtype), source)) for target, source in sources]
        return next(iter(give(parameters).values()))

    return read


class _InFiles:
    """The tensors of a part that lie in files."""

    def __init__(self, files: Sequence[WeightFile], prefix: str) -> None:
        self._files, self._prefix = files, prefix

    def dtype(self, name: str) -> torch.dtype:
        """See Tensors."""
        file, name = self._at(name)
        return torch.float16 if file.scaled(name) else file.dtype(name)

    def read(self, name: str, dtype: torch.dtype | None) -> Tensor:
        """See Tensors."""
        file, name = self._at(name)
        as_kept = dtype is None and not file.scaled(name)
        return file.exact(name) if as_kept else file.meant(name, dtype or torch.float16)

    def _at(self, name: str) -> tuple[WeightFile, str]:
        return holder(self._files, self._prefix + name), self._prefix + name
