"""Loaded models: brought into memory once, lent with `with`, and dropped again when memory is wanted."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from webui.core.errors import ModelProblem, OutOfMemory
from webui.core.registry import Registry
from webui.engine.checkpoints.catalogue import Checkpoint
from webui.engine.device import free_cache, is_out_of_memory, memory
from webui.engine.families.base import LoadedModel

log = logging.getLogger(__name__)

# Share of the device's memory that idle models may keep when nothing else is said: the rest is for pictures.
_SHARE = 0.5

Key = tuple[tuple[str, int, int], ...]


@dataclass
class _Resident:
    model: LoadedModel
    name: str
    users: int = 0
    used: float = 0.0


class Pipelines:
    """The models of one device; safe to use from several threads. One model is loaded at a time."""

    def __init__(
        self,
        registry: Registry,
        resolve: Callable[[str], Any],
        device: torch.device,
        dtype: torch.dtype,
        budget_bytes: int = 0,
    ) -> None:
        """budget_bytes: what all models together may keep; models that are lent stay even above it."""
        self._registry = registry
        self._resolve = resolve
        self._device = device
        self._dtype = dtype
        self._budget = budget_bytes or int(memory(device)[1] * _SHARE)
        self._resident: dict[Key, _Resident] = {}
        self._lock = threading.Lock()
        self._loading = threading.Lock()

    def is_resident(self, checkpoint: Checkpoint) -> bool:
        """Whether lending this checkpoint takes no loading."""
        with self._lock:
            return _key(checkpoint) in self._resident

    def names(self) -> list[str]:
        """The checkpoints in memory."""
        with self._lock:
            return [resident.name for resident in self._resident.values()]

    @contextmanager
    def lend(self, checkpoint: Checkpoint) -> Iterator[LoadedModel]:
        """The loaded model, kept in memory until the block ends; loads it first, which may take minutes.

        Raises ModelProblem, OutOfMemory.
        """
        resident = self._borrow(checkpoint)
        try:
            yield resident.model
        finally:
            with self._lock:
                resident.users -= 1
                resident.used = time.monotonic()

    def prefetch(self, checkpoint: Checkpoint) -> None:
        """Load a checkpoint before it is needed. Raises as `lend`."""
        with self.lend(checkpoint):
            pass

    def _borrow(self, checkpoint: Checkpoint) -> _Resident:
        key = _key(checkpoint)
        known = self._take(key)
        if known is not None:
            return known
        with self._loading:
            # Somebody may have loaded it while this thread waited.
            known = self._take(key)
            if known is not None:
                return known
            self._evict(max(0, self._budget - checkpoint.size_bytes))
            resident = _Resident(self._load(checkpoint), checkpoint.name, users=1)
            with self._lock:
                self._resident[key] = resident
            return resident

    def _take(self, key: Key) -> _Resident | None:
        with self._lock:
            known = self._resident.get(key)
            if known is not None:
                known.users += 1
            return known

    def _load(self, checkpoint: Checkpoint) -> LoadedModel:
        load = self._resolve(self._registry.families.get(checkpoint.family).function)
        for attempt in ("first", "second"):
            try:
                model: LoadedModel = load(checkpoint, self._device, self._dtype)
                return model
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                log.warning("Not enough memory to load %s at the %s attempt.", checkpoint.name, attempt)
            self._evict(0)
        raise OutOfMemory(
            f"There is not enough memory to load {checkpoint.name}.",
            field="checkpoint",
            remedies=("Choose a smaller checkpoint", "Close other programs that use the device"),
        )

    def _evict(self, budget: int) -> None:
        """Drop idle models, longest unused first, until the rest fits."""
        dropped = False
        with self._lock:
            held = sum(resident.model.size_bytes for resident in self._resident.values())
            idle = sorted((r.used, key) for key, r in self._resident.items() if r.users == 0)
            for _, key in idle:
                if held <= budget:
                    break
                resident = self._resident.pop(key)
                held -= resident.model.size_bytes
                log.info("Dropped %s from memory.", resident.name)
                dropped = True
                del resident
        if dropped:
            free_cache(self._device)


def _key(checkpoint: Checkpoint) -> Key:
    """What the model was loaded from, so that a file that was replaced is loaded again."""
    try:
        stats = [(str(file), file.stat()) for file in checkpoint.weights]
    except OSError as error:
        raise ModelProblem(
            f"{checkpoint.name} is no longer complete: a file of its weights is gone.", field="checkpoint"
        ) from error
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)
