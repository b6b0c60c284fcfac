"""What the owner sets for an extension itself, as a key of a service: in a file of its own, never in a request."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from webui.core.errors import DarkroomError, Faults, InvalidField
from webui.core.panels import Panel
from webui.core.private_files import read_private, write_private

FILE = "extension-settings.json"
"""The file's name in the folder of the program's own files."""

READER = "__extension_settings__"
"""The attribute of an extension's package that holds what `own_settings` calls."""


class OwnSettings:
    """The file; read anew each time, so that what was set counts at once, in each process. Thread-safe."""

    def __init__(self, path: Path | None) -> None:
        """path: None for no file, and defaults everywhere."""
        self._path = path
        self._lock = threading.Lock()

    def values(self, panel: Panel) -> Mapping[str, Any]:
        """All settings of an extension, read-only; what is not set, or no longer taken, is the default.

        Raises StorageProblem.
        """
        stored = self._stored().get(panel.name)
        found = dict(panel.defaults)
        for name, value in (stored if isinstance(stored, dict) else {}).items():
            if name in panel.rows:
                try:
                    found[name] = panel.rows[name].check(value)
                except InvalidField:
                    continue
        return MappingProxyType(found)

    def change(self, panel: Panel, values: Mapping[str, Any]) -> None:
        """Set some of them; None takes one back to its default. All or none.

        Raises InvalidField, InvalidRequest for several, StorageProblem.
        """
        faults = Faults()
        checked = panel.gather({name: value for name, value in values.items() if value is not None}, faults) or {}
        unknown = [name for name, value in values.items() if value is None and name not in panel.rows]
        if unknown:
            faults.add(InvalidField(f"The extension '{panel.name}' has no setting '{unknown[0][:60]}'."))
        faults.raise_found()
        with self._lock:
            stored = self._stored()
            before = stored.get(panel.name)
            own = {**(before if isinstance(before, dict) else {}), **{name: checked[name] for name in values}}
            kept = {n: v for n, v in own.items() if n not in panel.rows or v != panel.rows[n].default}
            if self._path is not None:
                write_private(self._path, {**stored, panel.name: kept})

    def _stored(self) -> dict[str, Any]:
        return {} if self._path is None else read_private(self._path)


def own_settings(module: str) -> Mapping[str, Any]:
    """What the owner has set of an extension's `settings()`, by their names, as it is now: call it with `__name__`.

    In both processes. Raises DarkroomError where it is called from elsewhere, StorageProblem where the file cannot be
    read.
    """
    read = getattr(sys.modules.get(module.partition(".")[0]), READER, None)
    if read is None:
        raise DarkroomError(f"'{module[:100]}' is no module of an extension: call own_settings(__name__).")
    values: Mapping[str, Any] = read()
    return values
