"""Which of an adapter's modules are whose in a model, and whether they fit: the share that each network gets."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import nn

from webui.core.errors import ModelProblem
from webui.engine.adapters.places import Atlas, Place, Places, is_text_encoder, prefixes
from webui.engine.adapters.weights import AdapterWeights, Module


class Networks(Protocol):
    """What is asked of a loaded model here."""

    @property
    def networks(self) -> Sequence[nn.Module]: ...
    @property
    def denoiser(self) -> nn.Module: ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """An adapter as a job wants it: how much of it the denoiser and the text encoders get (1 is what was trained).

    ranks: of how many of a LoRA's ranks, None for all; A1111's dyn.
    """

    adapter: AdapterWeights
    unet: float = 1.0
    te: float = 1.0
    ranks: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Share:
    """What one adapter adds to one network. modules: (name in the file, what it has, where it goes, weight or bias)."""

    adapter: AdapterWeights
    multiplier: float
    ranks: int | None
    modules: tuple[tuple[str, Module, Place, str], ...]

    @property
    def key(self) -> Hashable:
        """Equal for shares that add the same."""
        return self.adapter.key, self.multiplier, self.ranks


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Shares:
    """What all adapters of a set add to one network."""

    network: nn.Module
    shares: tuple[Share, ...]

    @property
    def key(self) -> Hashable:
        """Equal for sets that make the same of this network; () for one that changes nothing of it."""
        return tuple(share.key for share in self.shares)


@dataclass(frozen=True, slots=True, eq=False)
class AdapterSet:
    """The adapters of one job over one model. texts: of those text encoders that are changed."""

    denoiser: Shares | None = None
    texts: tuple[Shares, ...] = ()

    @property
    def key(self) -> Hashable:
        """Equal for sets whose denoisers may share forward passes."""
        return self.denoiser.key if self.denoiser else ()

    @property
    def text_key(self) -> Hashable:
        """Equal for sets whose texts mean the same."""
        return tuple((number, shares.key) for number, shares in enumerate(self.texts))


PLAIN = AdapterSet()
"""No adapters."""


Placed = Mapping[int, Sequence[tuple[str, Module, Place, str]]]
"""By a network's id, which of an adapter's modules are its; see `Share`."""


def fit(
    model: Networks, wanted: Iterable[Wanted], atlas: Atlas, placed: dict[str, Placed] | None = None
) -> tuple[AdapterSet, list[str]]:
    """The set over a model, and sentences about what of it has no place there.

    placed: by their keys, what adapters were found to be in this model before; those of this set are put into it.
    Raises ModelProblem for an adapter that is for another model.
    """
    known = {} if placed is None else placed
    shares: dict[int, list[Share]] = {}
    notes: list[str] = []
    for one in wanted:
        found = known.get(one.adapter.key)
        if found is None:
            found = {id(n): tuple(_of(one.adapter, n, model, atlas)) for n in _adapted(model)}
            known[one.adapter.key] = found
        names = {name for modules in found.values() for name, *_ in modules}
        if not names:
            raise _other_model(one.adapter, "nothing of it has a place in this model")
        left = len(one.adapter.modules) - len(names)
        if left:
            notes.append(f"{left} of the {len(one.adapter.modules)} parts of {one.adapter.name} have no place here.")
        for number, modules in found.items():
            multiplier = one.unet if number == id(model.denoiser) else one.te
            if modules and multiplier:
                shares.setdefault(number, []).append(Share(one.adapter, multiplier, one.ranks, tuple(modules)))
    made = {number: _shares(model, number, listed) for number, listed in shares.items()}
    denoiser = made.pop(id(model.denoiser), None)
    return AdapterSet(denoiser, tuple(made.values())), notes


def _adapted(model: Networks) -> Iterator[nn.Module]:
    """The networks that adapters change."""
    yield model.denoiser
    yield from (one for one in model.networks if is_text_encoder(one, model.denoiser))


def _shares(model: Networks, number: int, listed: Sequence[Share]) -> Shares:
    return Shares(next(network for network in model.networks if id(network) == number), tuple(listed))


def _of(
    adapter: AdapterWeights, network: nn.Module, model: Networks, atlas: Atlas
) -> Iterator[tuple[str, Module, Place, str]]:
    places = atlas.places(network)
    starts = prefixes(model.networks, network, model.denoiser)
    for name, module in adapter.modules.items():
        inside = _inside(name, starts, places)
        if inside is None:
            continue
        for kind, size in (("weight", module.kind.extent(module.tensors)), ("bias", _bias_size(module))):
            place = places.get((inside, kind))
            if place is None or not size:
                continue
            _check(adapter, name, network, place, size)
            yield name, module, place, kind


def _inside(name: str, starts: Sequence[str], places: Places) -> str | None:
    """The module's name in the network; None where it has none there."""
    for start in starts:
        inside = name[len(start) :]
        if name.startswith(start) and ((inside, "weight") in places or (inside, "bias") in places):
            return inside
    return None


def _bias_size(module: Module) -> int:
    bias = module.tensors.get(module.kind.bias)
    return bias.numel() if bias is not None else 0


def _check(adapter: AdapterWeights, name: str, network: nn.Module, place: Place, size: int) -> None:
    sizes = {(one.parameter, one.rows): network.get_parameter(one.parameter).shape for one in place.pieces}
    expected = sum(math.prod(shape[1:]) * _rows(rows, shape[0]) for (_, rows), shape in sizes.items())
    if size != expected:
        raise _other_model(adapter, f"{name} has {size:,} numbers there and {expected:,} here")


def _rows(rows: tuple[int, int] | None, all_of_them: int) -> int:
    return all_of_them if rows is None else rows[1] - rows[0]


def _other_model(adapter: AdapterWeights, why: str) -> ModelProblem:
    return ModelProblem(
        f"The LoRA {adapter.name} is for another kind of model: {why}.",
        field="prompt",
        remedies=("Take it out of the prompt", "Choose a checkpoint that it is for"),
    )
