"""What a device's workers have learnt of models and pictures the hard way, kept for the next start."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, Literal

import torch

from webui import __version__
from webui.engine.device import describe_device, memory
from webui.engine.tables import read_table, write_table

Table = Literal["memory", "overflows"]

_FILE = "learnt.json"


class Learnt:
    """Two tables of JSON values by key; safe to use from several threads, and processes lose nothing of each other's.

    Another version of torch or of this program may need less, or more, and begins with empty ones.
    """

    def __init__(self, folder: Path | None = None, device: torch.device | None = None) -> None:
        """folder: where they are kept; None keeps nothing. device: whose they are; one of another size is another."""
        self._file = folder and folder / _FILE
        self._device = f"{describe_device(device)}, {memory(device)[1]} bytes" if device else ""
        self._versions = f"torch {torch.__version__}, Darkroom {__version__}"
        self._lock = threading.Lock()

    def of(self, table: Table) -> dict[str, Any]:
        """A table's content."""
        return _inner(self._own(self._read()), table)

    def put(self, table: Table, key: str, value: Any) -> None:
        """Keep a value from now on; None removes it."""
        self._change(table, {key: value}, clear=False)

    def clear(self, table: Table) -> None:
        """Remove all of a table."""
        self._change(table, {}, clear=True)

    def _change(self, table: Table, values: dict[str, Any], *, clear: bool) -> None:
        if self._file is None:
            return
        with self._lock:
            # What other workers have written meanwhile stays.
            devices = self._read()
            own = self._own(devices)
            old = _inner(own, table)
            new = {key: value for key, value in (({} if clear else old) | values).items() if value is not None}
            if new != old:
                data = {"versions": self._versions, "devices": devices | {self._device: own | {table: new}}}
                write_table(self._file, data, "What was learnt of this device")

    def _read(self) -> dict[str, Any]:
        data = read_table(self._file)
        return _inner(data, "devices") if data.get("versions") == self._versions else {}

    def _own(self, devices: dict[str, Any]) -> dict[str, Any]:
        return _inner(devices, self._device)


def _inner(data: dict[str, Any], key: str) -> dict[str, Any]:
    found = data.get(key)
    return found if isinstance(found, dict) else {}
