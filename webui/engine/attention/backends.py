"""All attention backends of a worker: each is made and tried once for each device and dtype."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import torch

from webui.core.registry import AttentionBackend, Resolver, Table
from webui.engine.attention.base import AUTO, DEFAULT, Attend, Place, said, sdpa
from webui.engine.attention.choices import Measured
from webui.engine.attention.fitness import wrong_device
from webui.engine.config import Chunks
from webui.engine.device import DTYPES, is_out_of_memory
from webui.plugins.installed import not_installed

log = logging.getLogger(__name__)

_NAMES: Mapping[torch.dtype, str] = MappingProxyType({dtype: name for name, dtype in DTYPES.items()})
# How far, in parts of the largest number, a trial may be from torch's answer: 8-bit kernels are not exact.
_SOUND = 0.1


@dataclass(frozen=True, slots=True)
class Ready:
    """What computes, or None with the reason: the end of a sentence that begins with the backend's title."""

    attend: Attend | None
    reason: str = ""


class Backends:
    """May be asked by any thread; `measured` belongs to the loop's."""

    def __init__(
        self,
        rows: Table[AttentionBackend],
        resolve: Resolver,
        chunks: Chunks | None = None,
        cache_dir: Path | None = None,
    ) -> None:
        """cache_dir: where measurements are kept between starts; None keeps them in memory."""
        self._rows, self._resolve = rows, resolve
        self._chunks = chunks or Chunks()
        self._ready: dict[tuple[str, torch.device, torch.dtype], Ready] = {}
        self._lock = threading.Lock()
        packages = [row.package for row in rows if row.package]
        self.measured = Measured(self.candidates, packages, cache_dir)
        """What `auto` knows of the shapes that were asked for."""

    def row(self, name: str) -> AttentionBackend:
        """By name or alias. Raises UnknownName with the nearest known name."""
        return self._rows.get(name)

    def ready(self, name: str, device: torch.device, dtype: torch.dtype) -> Ready:
        """Whether this backend serves there. The first question may take seconds, as packages are imported for it."""
        row = self.row(name)
        with self._lock:
            known = self._ready.get((row.name, device, dtype))
            if known is None:
                known = self._ready[row.name, device, dtype] = self._make(row, device, dtype)
                if known.attend is None:
                    log.info("%s cannot compute attention: %s.", row.title, known.reason)
        return known

    def candidates(self, device: torch.device, dtype: torch.dtype, width: int) -> Iterator[tuple[str, Attend]]:
        """Those that serve there without a mask, by name; the default first."""
        yield DEFAULT, sdpa
        for row in self._rows:
            if row.name in (DEFAULT, AUTO) or (row.head_sizes and width not in row.head_sizes):
                continue
            attend = self.ready(row.name, device, dtype).attend
            if attend is not None:
                yield row.name, attend

    def _make(self, row: AttentionBackend, device: torch.device, dtype: torch.dtype) -> Ready:
        reason = _unfit(row, device, dtype)
        if reason:
            return Ready(None, reason)
        place = Place(row.name, device, dtype, self._chunks, self.measured)
        try:
            attend: Attend = self._resolve(row.function)(place)
        except (Exception, SystemExit) as error:  # noqa: BLE001 a broken package raises whatever it likes
            what = f"the package {row.package} is broken" if row.package else "it is broken"
            return Ready(None, f"{what} ({said(error)})")
        return _tried(row, place, attend)


def _unfit(row: AttentionBackend, device: torch.device, dtype: torch.dtype) -> str:
    """Why the row cannot serve there, from what it says of itself; "" where nothing speaks against it."""
    wrong = wrong_device(row, device.type)
    if wrong:
        return wrong
    name = _NAMES.get(dtype, str(dtype))
    if row.dtypes and name not in row.dtypes:
        return f"it computes in {' or '.join(row.dtypes)} only, and this model in {name}"
    return not_installed(row)


@torch.inference_mode()
def _tried(row: AttentionBackend, place: Place, attend: Attend) -> Ready:
    """Ready, after a small computation that torch's own confirms."""
    if row.name in (DEFAULT, AUTO):
        return Ready(attend)
    width = 64 if not row.head_sizes or 64 in row.head_sizes else min(row.head_sizes)
    generator = torch.Generator().manual_seed(0)
    query, key, value = torch.randn(3, 1, 2, 64, width, generator=generator).to(place.device, place.dtype)
    try:
        answer = attend(query, key, value)
        off = (answer.float() - sdpa(query, key, value).float()).abs().max().item()
    except (Exception, SystemExit) as error:
        if is_out_of_memory(error):
            raise
        return Ready(None, f"it refuses to compute here ({said(error)})")
    # Written so that NaN is unsound too.
    if not off < _SOUND * value.abs().max().item():
        return Ready(None, "it computes wrong numbers here")
    return Ready(attend)
