"""Wildcards on the disk: a line of `colours/warm.txt` is a value of `__colours/warm__`, below any of the folders.

Names are looked up, never opened, so that none leads out of the folders.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from webui.core.prompt.dynamic import Value
from webui.core.prompt.wildcards import Named, Snapshot, read_file

MAX_BYTES = 10_000_000
"""Of a text file; a larger one is left out."""
MAX_TREE_BYTES = 2_000_000
"""The same of a YAML or JSON file, which take longer to read."""
MAX_FILES = 20_000
MAX_FOLDERS_DEEP = 20
_AGAIN = 1.0
"""Seconds until the folders are looked into again."""
_ENDINGS = (".txt", ".yaml", ".yml", ".json")


@dataclass(frozen=True, slots=True)
class WildcardFile:
    """A file in one of the folders. prefix: what its folder adds to the names in it; problem: why it is left out."""

    path: Path
    prefix: str
    named: Named
    problem: str = ""


class FileWildcards:
    """The wildcards in some folders, as they are on the disk now; the first folder that has a name wins.

    Every method may be called from any thread.
    """

    def __init__(self, folders: Callable[[], Sequence[Path]]) -> None:
        self._folders = folders
        self._lock = Lock()
        self._files: dict[Path, tuple[tuple[int, int], WildcardFile]] = {}
        self._state = Snapshot({}, ())
        self._looked = float("-inf")

    def now(self) -> Snapshot:
        """The wildcards as they are now; what changed on the disk is read again."""
        with self._lock:
            if time.monotonic() - self._looked > _AGAIN:
                self._look()
                self._looked = time.monotonic()
            return self._state

    def _look(self) -> None:
        found: dict[Path, tuple[tuple[int, int], WildcardFile]] = {}
        for folder in dict.fromkeys(self._folders()):
            for path, stamp in _files(folder, MAX_FILES - len(found)):
                known = self._files.get(path)
                found[path] = known if known and known[0] == stamp else (stamp, _read(path, folder, stamp[1]))
        if found == self._files:
            return
        self._files = found
        named: dict[str, tuple[str, tuple[Value, ...]]] = {}
        for _, file in found.values():
            for name, values in file.named.items():
                named.setdefault(name.casefold(), (name, values))
        problems = tuple(file.problem for _, file in found.values() if file.problem)
        self._state = Snapshot(dict(sorted(named.items())), problems)


def _files(folder: Path, most: int) -> Iterator[tuple[Path, tuple[int, int]]]:
    """The files below a folder, sorted, each with (time of change, size); no link that leads out of it is followed."""
    try:
        root = folder.resolve(strict=True)
    except (OSError, RuntimeError):
        return
    count = 0
    for place, folders, files in os.walk(root, followlinks=False):
        here = Path(place)
        deep = len(here.relative_to(root).parts) >= MAX_FOLDERS_DEEP
        folders[:] = [] if deep else sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = here / name
            if path.suffix.casefold() not in _ENDINGS or name.startswith("."):
                continue
            try:
                if path.is_symlink() and not path.resolve(strict=True).is_relative_to(root):
                    continue
                seen = path.stat()
            except (OSError, RuntimeError):
                continue
            count += 1
            if count > most:
                return
            yield path, (seen.st_mtime_ns, seen.st_size)


def _read(path: Path, folder: Path, size: int) -> WildcardFile:
    """What a file holds; one that cannot be read holds nothing, and says why."""
    relative = path.relative_to(folder.resolve())
    prefix = "/".join(relative.parts[:-1])
    ending = path.suffix.casefold()
    shown = "/".join(relative.parts)
    if size > (MAX_BYTES if ending == ".txt" else MAX_TREE_BYTES):
        return WildcardFile(path, prefix, {}, f"The wildcard file {shown} is too large and was left out.")
    try:
        text = path.read_bytes().decode("utf-8-sig", errors="replace")
        named = read_file(text, path.stem, ending)
    except OSError as error:
        why = error.strerror or str(error)
        return WildcardFile(path, prefix, {}, f"The wildcard file {shown} cannot be read: {why}.")
    except ValueError as error:
        return WildcardFile(path, prefix, {}, f"The wildcard file {shown} {error}")
    start = f"{prefix}/" if prefix else ""
    return WildcardFile(path, prefix, {start + name: values for name, values in named.items()})
