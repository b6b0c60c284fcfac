"""Networks in memory, found again by what they were read from, so that two models with one part hold it once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch import nn

from webui.core.errors import ModelProblem
from webui.core.registry import Registry
from webui.engine.checkpoints.parts import Part
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
    ) -> None:
        """precisions: what networks of a role ("vae") compute in, whatever their family asks for."""
        self.device, self.dtype = device, dtype
        self._precisions = precisions
        self._architectures = registry.architectures
        self._resolve = resolve
        self._known: WeakValueDictionary[_Key, nn.Module] = WeakValueDictionary()

    def network(
        self, part: Part, *, dtype: torch.dtype | None = None, config: Mapping[str, Any] | None = None
    ) -> nn.Module:
        """See `Reader`."""
        wanted = self._precisions.get(part.role) or dtype or self.dtype
        key = (*_files(part), part.prefix, wanted, json.dumps(dict(config or {}), sort_keys=True, default=str))
        known = self._known.get(key)
        if known is None:
            row = self._architectures.get(part.architecture)
            known = read_network(part, row, self._resolve, self.device, wanted, config)
            if _files(part) != key[: len(part.files)]:
                raise ModelProblem(
                    f"{part.files[0].name} was changed while it was read.", field="checkpoint", remedies=("Try again",)
                )
            self._known[key] = known
        return known

    def held(self, parts: Iterable[Part]) -> list[nn.Module]:
        """Those of these parts' networks that are in memory; they stay for as long as the list does."""
        wanted = {(*_files(part), part.prefix) for part in parts}
        return [network for key, network in list(self._known.items()) if key[:-2] in wanted]


def _files(part: Part) -> tuple[tuple[str, int, int], ...]:
    """The files with their sizes and times, so that one that was replaced is read again."""
    try:
        stats = [(str(file), file.stat()) for file in part.files]
    except OSError as error:
        raise ModelProblem(f"{part.files[0].name} is no longer there.", field="checkpoint") from error
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)
