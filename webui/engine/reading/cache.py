"""Networks in memory, found again by what they were read from, so that two models with one part hold it once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch import nn

from webui.core.errors import ModelProblem
from webui.core.registry import Registry
from webui.engine.checkpoints.parts import Part
from webui.engine.device import STORAGE
from webui.engine.reading.fused import fuse_projections
from webui.engine.reading.kept import FP8
from webui.engine.reading.networks import read_network

_Key = tuple[Any, ...]


class NetworkCache:
    """A `Reader`. It keeps nothing alive: a network goes with the last model that uses it. One thread at a time."""

    def __init__(
        self,
        registry: Registry,
        resolve: Callable[[str], Any],
        device: torch.device,
        dtype: torch.dtype,
        precisions: Mapping[str, torch.dtype] = MappingProxyType({}),
        *,
        channels_last: bool = False,
        fused: bool = False,
    ) -> None:
        """precisions: what networks of a role ("vae") compute in, whatever their family asks for.

        What a part is to be kept in (`Part.kept_as`) counts before it. channels_last: see `read_network`.
        fused: fuse the projections of attention, see `fuse_projections`.
        """
        self.device, self.dtype = device, dtype
        self._channels_last, self._fused = channels_last, fused
        self._precisions = precisions
        self._architectures = registry.architectures
        self._resolve = resolve
        self._known: WeakValueDictionary[_Key, nn.Module] = WeakValueDictionary()

    def network(
        self,
        part: Part,
        *,
        dtype: torch.dtype | None = None,
        config: Mapping[str, Any] | None = None,
        in_one_type: bool = False,
        home: torch.device | None = None,
        by_blocks: bool = False,
    ) -> nn.Module:
        """See `Reader`. in_one_type: compute in what the family asks for, whatever the weights are kept in.

        home: where the weights are put if not on the device. by_blocks: whether they come to it by blocks from there.
        A network serves one way only.
        """
        kept, computed = self._types(part, dtype, in_one_type)
        place, said = home or self.device, json.dumps(dict(config or {}), sort_keys=True, default=str)
        # Pipelines of diffusers bring processors that know nothing of it.
        fused = self._fused and not in_one_type
        key = (*_files(part), part.prefix, fused, kept, computed, (place, by_blocks), said)
        known = self._known.get(key)
        if known is None:
            row = self._architectures.get(part.architecture)
            narrow = kept if kept != computed else None
            known = read_network(part, row, self._resolve, place, computed, config, narrow, self._channels_last)
            if _files(part) != key[: len(part.files)]:
                raise ModelProblem(
                    f"{part.files[0].name} was changed while it was read.", field="checkpoint", remedies=("Try again",)
                )
            if fused:
                fuse_projections(known)
            self._known[key] = known
        return known

    def held(self, parts: Iterable[Part], home: torch.device | None = None, by_blocks: bool = False) -> list[nn.Module]:
        """Those of these parts' networks that are in memory; they stay for as long as the list does.

        home, by_blocks: see `network`.
        """
        at = home or self.device, by_blocks
        wanted = {(*_files(part), part.prefix): STORAGE.get(part.kept_as) for part in parts}
        return [
            network
            for (*place, _, kept, computed, where, _), network in list(self._known.items())
            if where == at and (start := tuple(place)) in wanted and kept == (wanted[start] or computed)
        ]

    @contextmanager
    def moving(self, networks: Sequence[nn.Module], home: torch.device | None) -> Iterator[None]:
        """Whole networks move to the device (home: None) or to RAM in the block; nobody may read meanwhile.

        They are found in their new place, and where the block fails, nowhere.
        """
        moved = {id(network) for network in networks}
        found = [(key, network) for key, network in list(self._known.items()) if id(network) in moved]
        for key, _ in found:
            del self._known[key]
        yield
        for key, network in found:
            self._known[*key[:-2], (home or self.device, False), key[-1]] = network

    def _types(
        self, part: Part, dtype: torch.dtype | None, in_one_type: bool = False
    ) -> tuple[torch.dtype, torch.dtype]:
        """What a network is kept in, and what it computes in; dtype: what its family asks for."""
        usual = self._precisions.get(part.role) or dtype or self.dtype
        kept = STORAGE.get(part.kept_as)
        if kept is None:
            return usual, usual
        if in_one_type and kept.itemsize > usual.itemsize:
            return usual, usual
        if in_one_type or kept == FP8:
            return kept, usual
        # Families ask for a type where fp16 overflows, and a CPU computes in what it is quick in.
        asked = dtype is not None or part.role in self._precisions or self.device.type == "cpu"
        return kept, torch.promote_types(kept, usual) if asked else kept


@dataclass(frozen=True, slots=True)
class PlacedReader:
    """The same `Reader` for some models.

    in_one_type: for stock pipelines, whose parts must all compute in the type that their family asks for. home: where
    the weights wait, if not on the device; then it stands in for the device. by_blocks: see `NetworkCache.network`.
    """

    cache: NetworkCache
    in_one_type: bool = False
    home: torch.device | None = None
    by_blocks: bool = False

    @property
    def device(self) -> torch.device:
        """See `Reader`."""
        return self.home or self.cache.device

    @property
    def dtype(self) -> torch.dtype:
        """See `Reader`."""
        return self.cache.dtype

    def network(
        self, part: Part, *, dtype: torch.dtype | None = None, config: Mapping[str, Any] | None = None
    ) -> nn.Module:
        """See `Reader`."""
        return self.cache.network(
            part,
            dtype=dtype,
            config=config,
            in_one_type=self.in_one_type,
            home=self.home,
            by_blocks=self.by_blocks,
        )


def _files(part: Part) -> tuple[tuple[str, int, int], ...]:
    """The files with their sizes and times, so that one that was replaced is read again."""
    try:
        stats = [(str(file), file.stat()) for file in part.files]
    except OSError as error:
        raise ModelProblem(f"{part.files[0].name} is no longer there.", field="checkpoint") from error
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)
