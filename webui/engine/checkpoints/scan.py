"""Walk through folders of models: what may be one, when it was changed, and what lies beside it. Torch-free."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from webui.engine.checkpoints.headers.read import SUFFIXES
from webui.engine.checkpoints.stock import has_index

log = logging.getLogger(__name__)

OWN_SIDECAR = "darkroom.json"
CARD = ".json"
SIDECARS = (f".{OWN_SIDECAR}", CARD, ".yaml")
"""What the names of files beside a model end in that say something of it: ours and A1111's two."""

# What of a folder tells that it was changed.
_WATCHED = (*SUFFIXES, ".json", ".txt", ".model")
# Of diffusers' folders one of these holds the network that makes the picture.
_DENOISERS = ("unet", "transformer")
_NETWORK_STEMS = ("diffusion_pytorch_model", "model", "pytorch_model")


@dataclass(frozen=True, slots=True)
class Seen:
    """A file or folder that may be a model; its name is the path below `root`.

    stamp: another one when the file, or any file in the folder, has changed. sidecars: (path, time of change in ns).
    """

    root: Path
    path: Path
    stamp: str
    is_folder: bool = False
    sidecars: tuple[tuple[Path, int], ...] = ()

    @property
    def name(self) -> str:
        """Its name as A1111 shows it, with / between folders."""
        return self.path.relative_to(self.root).as_posix()


class Scanner:
    """Looks through folders; what cannot be searched is said in the log, once."""

    def __init__(self, suffixes: Collection[str] = SUFFIXES) -> None:
        """suffixes: what the names of files end in that are looked for, in small letters."""
        self._suffixes = suffixes
        self._said: set[str] = set()

    def scan(self, roots: Iterable[Path]) -> tuple[Seen, ...]:
        """All that may be models in these folders, folder by folder, by name; no folder is searched twice.

        A root may itself be a model: a file, or a folder in diffusers' form.
        """
        visited: set[tuple[int, int]] = set()
        return tuple(seen for root in roots for seen in self._root(root, visited))

    def has_changed(self, seen: Seen) -> bool:
        """Whether the file or folder is there and another one by now."""
        try:
            if seen.is_folder:
                return self._folder(seen.root, seen.path).stamp != seen.stamp
            return _stamp(seen.path.stat()) != seen.stamp
        except OSError:
            return False

    def _root(self, root: Path, visited: set[tuple[int, int]]) -> Iterator[Seen]:
        try:
            if root.is_file():
                yield from self._file(root.parent, root, {})
            elif has_index(root):
                yield self._folder(root.parent, root)
            elif root.is_dir():
                yield from self._search(root, root, visited)
        except OSError as error:
            self._say(root, error.strerror or str(error))

    def _search(self, root: Path, folder: Path, visited: set[tuple[int, int]]) -> Iterator[Seen]:
        try:
            stat = folder.stat()
            with os.scandir(folder) as found:
                entries = {entry.name: entry for entry in found}
        except OSError as error:
            self._say(folder, error.strerror or str(error))
            return
        place = stat.st_dev, stat.st_ino
        if place in visited:
            self._say(folder, "it was searched already; a link leads to it")
            return
        visited.add(place)
        for name in sorted(entries):
            if name.startswith("."):
                continue
            path = folder / name
            if not _is_text(name):
                self._say(path, "its name is no text that other programs could be told; rename it")
                continue
            try:
                if entries[name].is_dir():
                    if _is_model(path):
                        yield self._folder(root, path, entries)
                    else:
                        yield from self._search(root, path, visited)
                else:
                    yield from self._file(root, path, entries)
            except OSError as error:
                self._say(path, error.strerror or str(error))

    def _file(self, root: Path, path: Path, beside: dict[str, os.DirEntry[str]]) -> Iterator[Seen]:
        if path.suffix.lower() not in self._suffixes:
            return
        stat = path.stat()
        names = [path.stem + end for end in SIDECARS]
        # One that is a root of its own was found without its folder's list.
        there = [name for name in names if name in beside or (not beside and path.with_name(name).is_file())]
        yield Seen(root, path, _stamp(stat), sidecars=tuple(self._changed(path.with_name(name) for name in there)))

    def _changed(self, sidecars: Iterable[Path]) -> Iterator[tuple[Path, int]]:
        """When each was written; a link to nothing, or one that has just gone, is no sidecar, and its model stays."""
        for path in sidecars:
            try:
                yield path, path.stat().st_mtime_ns
            except OSError as error:
                self._say(path, error.strerror or str(error))

    def _folder(self, root: Path, path: Path, beside: Collection[str] = ()) -> Seen:
        digest = hashlib.sha256()
        card = path.with_name(path.name + CARD)
        sidecars = [(card, card.stat().st_mtime_ns)] if card.name in beside and card.is_file() else []
        for file in sorted(_files(path)):
            stat = file.stat()
            if file == path / OWN_SIDECAR:
                sidecars.append((file, stat.st_mtime_ns))
            else:
                line = f"{file.relative_to(path)}|{stat.st_size}|{stat.st_mtime_ns}\n"
                digest.update(line.encode(errors="surrogateescape"))
        return Seen(root, path, digest.hexdigest(), is_folder=True, sidecars=tuple(sidecars))

    def _say(self, path: Path, why: str) -> None:
        if str(path) not in self._said:
            self._said.add(str(path))
            shown = str(path).encode(errors="replace").decode()
            log.warning("%s was left out of the search for models: %s.", shown, why)


def first_of_names(seen: Iterable[Seen]) -> dict[Seen, tuple[Path, ...]]:
    """Those that count, which of several with one name is the first, and what each of them hides.

    So a person's own folder comes first. A link to the very same file hides nothing.
    """
    first: dict[str, Seen] = {}
    hidden: dict[Seen, list[Path]] = {}
    for one in seen:
        found = first.setdefault(one.name, one)
        others = hidden.setdefault(found, [])
        if found is not one and not _is_same(found.path, one.path):
            others.append(one.path)
    return {one: tuple(paths) for one, paths in hidden.items()}


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _stamp(stat: os.stat_result) -> str:
    return f"{stat.st_size}-{stat.st_mtime_ns}"


def _is_text(name: str) -> bool:
    """Whether a name can be written as UTF-8; old archives unpack names in other encodings."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_model(folder: Path) -> bool:
    """Whether this is a model in diffusers' form, or the folder of one network in it."""
    if has_index(folder) or any((folder / n / "config.json").is_file() for n in _DENOISERS):
        return True
    return (folder / "config.json").is_file() and any(
        path.name.startswith(_NETWORK_STEMS) and path.suffix in SUFFIXES for path in folder.iterdir()
    )


def _files(folder: Path) -> Iterator[Path]:
    """The weights and configurations in a folder and in the folders right inside it."""
    for path in folder.iterdir():
        if path.is_dir():
            yield from (file for file in path.iterdir() if file.suffix.lower() in _WATCHED and file.is_file())
        elif path.suffix.lower() in _WATCHED and path.is_file():
            yield path
