"""Which extensions a worker process is inside of, kept where the web process can still read it after a death."""

from __future__ import annotations

import ctypes
from multiprocessing.context import BaseContext
from typing import Any

_SLOTS = 128
_WIDTH = 64
"""Bytes of a name; manifests allow fewer."""


class Marks:
    """Shared memory of a worker and the process that started it. Goes to the worker among its process's arguments.

    Entering and leaving cost less than a microsecond. One thread at a time writes; whoever reads does so after the end.
    Of more than 128 extensions the others leave no marks.
    """

    def __init__(self, context: BaseContext) -> None:
        self._names: Any = context.RawArray(ctypes.c_char, _SLOTS * _WIDTH)
        self._depths: Any = context.RawArray(ctypes.c_int, _SLOTS)
        self._known: dict[str, int | None] = {}

    def enter(self, extension: str) -> None:
        """Its code begins to run, on any thread."""
        self._add(extension, 1)

    def leave(self, extension: str) -> None:
        """What was begun with `enter` is over."""
        self._add(extension, -1)

    def inside(self) -> tuple[str, ...]:
        """The extensions that were entered and not left."""
        found = (slot for slot in range(_SLOTS) if self._depths[slot] > 0)
        return tuple(self._name(slot) for slot in found)

    def _add(self, extension: str, change: int) -> None:
        if extension not in self._known:
            self._known[extension] = self._slot(extension)
        slot = self._known[extension]
        if slot is not None:
            self._depths[slot] += change

    def _slot(self, extension: str) -> int | None:
        for slot in range(_SLOTS):
            name = self._name(slot)
            if name == extension:
                return slot
            if not name:
                data = extension.encode()[: _WIDTH - 1]
                self._names[slot * _WIDTH : slot * _WIDTH + len(data)] = data
                return slot
        return None

    def _name(self, slot: int) -> str:
        raw: bytes = self._names[slot * _WIDTH : (slot + 1) * _WIDTH]
        return raw.rstrip(b"\x00").decode("utf-8", "ignore")
