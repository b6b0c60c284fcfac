"""A merge as a folder: its parts in folders' form, made of tensors that are planned by their names in one file."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from webui.core.errors import ModelProblem
from webui.engine.checkpoints.checkpoint import Checkpoint
from webui.engine.checkpoints.forms.base import Place, single_form
from webui.engine.checkpoints.identify import Kinds
from webui.engine.checkpoints.parts import Part
from webui.engine.work.folder import FolderPart, as_in_folders, folder_layout
from webui.engine.work.tensors import Piece, network_of, rearranged, row_of
from webui.plugins.resolve import resolve


@dataclass(frozen=True)
class Planned:
    """The tensors of a result by their names in one file. discarded: the names of those that are left out."""

    pieces: Mapping[str, Piece]
    make: Callable[[str], Tensor]
    discarded: Collection[str] = ()


def folder_parts(
    source: Checkpoint, parts: Mapping[str, Part], planned: Planned, kinds: Kinds
) -> dict[str, FolderPart]:
    """The parts of a folder of `source`'s family in these forms; one whose tensors are all discarded is left out.

    Raises ModelProblem: some of a part's tensors are discarded, or all of the denoiser's.
    """
    places = single_form(kinds.families, source.family)
    made = {}
    for name, part in parts.items():
        one = _folder_part(name, as_in_folders(source, part), places[name], planned, kinds)
        if one is not None:
            made[name] = one
    if not any(one.part.role == "denoiser" for one in made.values()):
        raise ModelProblem("Nothing is left of the denoiser, without which it is no model.", field="discard_weights")
    return made


def parts_of(named: Mapping[str, Checkpoint], baked: Part | None, *, joins: bool) -> dict[str, Part]:
    """The parts of a merge, in the form of the model that each is in: A, then B if it `joins`, then what A lacks.

    named: the models by their letters. baked: the VAE that is put in.
    """
    a = named["A"]
    found = {"vae": baked} if baked else {}
    for parts in (a.inside, named["B"].inside if joins else {}, a.parts):
        found |= {name: part for name, part in parts.items() if name not in found}
    return found


def _folder_part(name: str, part: Part, place: Place, planned: Planned, kinds: Kinds) -> FolderPart | None:
    row = row_of(part, kinds)
    network = network_of(part, row)
    parameters, ours = dict(network.state_dict()), resolve(row.layouts[place.layout])
    needed = {place.prefix + ours(parameter, part.form.config).name for parameter in parameters}
    gone = needed & set(planned.discarded)
    if gone == needed:
        return None
    if gone:
        raise ModelProblem(
            f"{min(gone)} and {len(gone) - 1} more of the tensors to be left out are needed by the part {name}, and a "
            "folder's parts are whole.",
            field="discard_weights",
            remedies=("Leave out all of the part, or nothing of it",),
        )
    tensors = _InPlan(planned, place.prefix)
    pieces = rearranged(name, parameters, part.form.config, (tensors, ours), folder_layout(part, kinds))
    return FolderPart(part, network, pieces, lambda tensor: pieces[tensor].read(None))


class _InPlan:
    """The tensors of one part among the planned ones; see `Tensors`."""

    def __init__(self, planned: Planned, prefix: str) -> None:
        self._planned, self._prefix = planned, prefix

    def dtype(self, name: str) -> torch.dtype:
        """See Tensors."""
        piece = self._planned.pieces.get(self._prefix + name)
        if piece is None:
            raise ModelProblem(f"The tensor {self._prefix}{name} is missing.", field="checkpoint")
        return piece.dtype

    def read(self, name: str, dtype: torch.dtype | None) -> Tensor:
        """See Tensors."""
        tensor = self._planned.make(self._prefix + name)
        return tensor if dtype is None else tensor.to(dtype)
