"""What is known of each installed extension besides its files: where it came from, and which version exactly."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from webui.core.settings import write_atomically
from webui.extension_life.sources import Source
from webui.plugins.manifest import is_name

FOLDER = "extensions"
_MOST_BYTES = 100_000


@dataclass(frozen=True, slots=True)
class Record:
    """One installation. pin: the commit or version that came, or the archive's sha256; sha256: of the content.

    permissions, dependencies: what the person has agreed to. installed: Unix seconds.
    """

    name: str
    version: str
    source: Source
    pin: str
    sha256: str
    permissions: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()
    installed: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """The record as JSON-ready data."""
        return {**asdict(self), "permissions": list(self.permissions), "dependencies": list(self.dependencies)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Record:
        """The record that `to_json` described; raises KeyError, TypeError or ValueError for anything else."""
        return cls(
            name=str(data["name"]),
            version=str(data["version"]),
            source=Source.from_json(data["source"]),
            pin=str(data["pin"]),
            sha256=str(data["sha256"]),
            permissions=tuple(map(str, data["permissions"])),
            dependencies=tuple(map(str, data["dependencies"])),
            installed=float(data["installed"]),
        )


class Records:
    """One small file for each extension, in the state folder: an extension's own folder holds only what came."""

    def __init__(self, state: Path) -> None:
        self._folder = state / FOLDER

    def get(self, name: str) -> Record | None:
        """The record of this extension; None where it was put there by hand, or the file is damaged."""
        try:
            with self._path(name).open("rb") as file:
                return Record.from_json(json.loads(file.read(_MOST_BYTES)))
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None

    def put(self, record: Record) -> None:
        """Keep a record, in place of the last. Raises StorageProblem."""
        write_atomically(self._path(record.name), json.dumps(record.to_json(), indent=2) + "\n")

    def remove(self, name: str) -> None:
        """Forget one."""
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        # A folder that was put there by hand may have any name.
        return self._folder / (f"{name}.json" if is_name(name) else "-")
