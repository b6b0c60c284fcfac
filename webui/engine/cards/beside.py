"""The files beside a model that belong to its card, by the names that A1111 and CivitAI Helper use. Torch-free."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PICTURES = ("png", "jpg", "jpeg", "webp", "gif")
"""Endings of previews; an earlier one counts more, and `name.png` more than `name.preview.png`, as in A1111."""

FACTS, DESCRIPTIONS, CIVITAI = ".json", (".txt", ".description.txt"), ".civitai.info"


@dataclass(frozen=True, slots=True)
class File:
    """A file as it was seen: size in bytes, time of change in nanoseconds."""

    path: Path
    size: int
    changed: int

    @property
    def stamp(self) -> str:
        """Another one when the file has changed."""
        return f"{self.path.name}|{self.size}|{self.changed}"


@dataclass(frozen=True, slots=True)
class Beside:
    """What lies beside one model: A1111's facts and description, CivitAI Helper's facts, the preview that counts."""

    facts: File | None = None
    description: File | None = None
    civitai: File | None = None
    preview: File | None = None

    @property
    def stamp(self) -> str:
        """Of all texts; another one when one of them has changed, came or went."""
        return "/".join(file.stamp if file else "" for file in (self.facts, self.description, self.civitai))


def base_of(path: Path) -> str:
    """What the names of the files beside a model begin with: a file's name without its ending, a folder's whole."""
    return path.name if path.is_dir() else path.stem


def previews_of(base: str) -> list[str]:
    """All names that a preview may have, the one that counts most first."""
    return [f"{base}{middle}.{ending}" for ending in PICTURES for middle in ("", ".preview")]


class Folder:
    """The files in one folder, listed once; what cannot be listed has none."""

    def __init__(self, path: Path) -> None:
        try:
            with os.scandir(path) as entries:
                self._entries: Mapping[str, os.DirEntry[str]] = {entry.name: entry for entry in entries}
        except OSError:
            self._entries = {}

    def file(self, name: str) -> File | None:
        """The file of this name; None for a link that leads nowhere, a folder, a pipe."""
        entry = self._entries.get(name)
        try:
            status = entry.stat() if entry else None
        except OSError:
            return None
        if entry is None or status is None or not stat.S_ISREG(status.st_mode):
            return None
        return File(Path(entry.path), status.st_size, status.st_mtime_ns)

    def size(self, name: str) -> int:
        """The bytes of the file of this name; 0 when there is none."""
        file = self.file(name)
        return file.size if file else 0

    def changed(self, name: str) -> float:
        """When the file or folder of this name was changed, in Unix seconds; 0 when it is not there."""
        try:
            return self._entries[name].stat().st_mtime if name in self._entries else 0.0
        except OSError:
            return 0.0

    def beside(self, base: str) -> Beside:
        """What lies beside the model whose files' names begin with this."""
        return Beside(
            self.file(base + FACTS),
            next(filter(None, (self.file(base + ending) for ending in DESCRIPTIONS)), None),
            self.file(base + CIVITAI),
            next(filter(None, map(self.file, previews_of(base))), None),
        )
