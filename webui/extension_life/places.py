"""Where extensions lie: the person's own folder, what is being fetched beside it, the bin; one change at a time."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from webui.core.errors import Conflict, DarkroomError
from webui.core.paths import Paths
from webui.extension_life.fetch import disk_sentences
from webui.plugins.manifest import Manifest, read_manifest, same

BUNDLED_AUTHOR = "Darkroom"
"""Whom the extensions that come with the program name as their author."""

_STAGING = ".fetched-"
_BIN = ".bin"
_PENDING = "pending"
_STALE_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class Found:
    """An extension's folder, and what its manifest says; None where it cannot be read."""

    folder: Path
    manifest: Manifest | None
    problem: str = ""

    @property
    def name(self) -> str:
        """The manifest's name, or the folder's where there is none."""
        return self.manifest.name if self.manifest else self.folder.name


class Places:
    """The folders of one house. Hidden folders are never loaded, so what is half made is never met."""

    def __init__(self, paths: Paths) -> None:
        self.own = paths.data_dir / "extensions"
        """Where extensions are installed."""
        self.state = paths.state
        self.tokens = paths.state / "tokens.json"
        # All of them, also where this start loads none.
        self._folders = tuple(dict.fromkeys((paths.program_dir / "extensions", self.own)))

    def found(self) -> list[Found]:
        """All extensions that lie there, loaded or not, in the order in which they would be loaded."""
        everything = []
        for parent in self._folders:
            everything += [_read(folder) for folder in _folders(parent)]
        return everything

    def get(self, name: str) -> Found | None:
        """The extension of this name; the first where there are two, as it is the one that is loaded."""
        return next((found for found in self.found() if same(found.name, name)), None)

    def is_bundled(self, found: Found, *, installed: bool) -> bool:
        """Whether an extension came with Darkroom, and so can be switched off but not taken away.

        Where the person's folder is the program's own, its author tells; `installed` is said of one with a record.
        """
        return self.is_ours(found.folder, found.manifest.author if found.manifest else "", installed=installed)

    def is_ours(self, folder: Path, author: str, *, installed: bool) -> bool:
        """See `is_bundled`; for one whose folder may be gone."""
        if folder.parent != self.own:
            return True
        return self.own == self._folders[0] and not installed and author == BUNDLED_AUTHOR

    def staging(self) -> Path:
        """The path of a new hidden folder beside the extensions, on their disk; old ones go."""
        for left in self.own.glob(f"{_STAGING}*"):
            if left.stat().st_mtime < time.time() - _STALE_SECONDS:
                shutil.rmtree(left, ignore_errors=True)
        return self.own / f"{_STAGING}{secrets.token_hex(6)}"

    def to_bin(self, folder: Path, *, for_another: bool = False) -> Path:
        """Move an extension's folder into the bin; its place there. for_another: it comes back by itself where the
        process dies before `settled` is called.
        """
        place = self.own / _BIN / f"{time.strftime('%Y%m%d-%H%M%S')}-{time.time_ns() % 10**9:09}" / folder.name
        with disk_sentences(self.own):
            place.parent.mkdir(parents=True)
            if for_another:
                (place.parent / _PENDING).touch()
            folder.rename(place)
        return place

    def settled(self, place: Path) -> None:
        """What was moved into the bin for another stays there: the other one is in its place."""
        (place.parent / _PENDING).unlink(missing_ok=True)

    def recover(self) -> None:
        """Move back what a process that died had taken away for an update; only while nobody updates."""
        for mark in (self.own / _BIN).glob(f"*/{_PENDING}"):
            for kept in _folders(mark.parent):
                if not (self.own / kept.name).exists():
                    kept.rename(self.own / kept.name)
            mark.unlink(missing_ok=True)

    def binned(self, name: str) -> Path | None:
        """The newest folder of this name in the bin."""
        # The name is only compared: as a part of a path it could lead anywhere.
        kept = (folder for day in sorted(_folders(self.own / _BIN), reverse=True) for folder in _folders(day))
        return next((folder for folder in kept if same(folder.name, name)), None)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else changes extensions meanwhile: not the page, not another command. Raises Conflict."""
        with disk_sentences(self.state):
            self.state.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.state / "extensions.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise Conflict(
                "Another extension is being installed or removed.", remedies=("Wait for it, then try again",)
            ) from None
        try:
            with disk_sentences(self.own):
                self.recover()
            yield
        finally:
            lock.release()


def _folders(parent: Path) -> list[Path]:
    """The folders in it that count, in order of their names; none where it is not there."""
    if not parent.is_dir():
        return []
    return sorted(path for path in parent.iterdir() if path.is_dir() and not path.name.startswith((".", "_")))


def _read(folder: Path) -> Found:
    try:
        return Found(folder, read_manifest(folder))
    except DarkroomError as error:
        return Found(folder, None, error.detail)
    except OSError as error:
        # It may be taken away by hand while it is being looked at.
        return Found(folder, None, f"It cannot be read: {error.strerror or error}.")
