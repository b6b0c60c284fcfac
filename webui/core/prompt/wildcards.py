"""Wildcards in files: a line of `colours/warm.txt` is a value of `__colours/warm__`; YAML and JSON hold trees of them.

Names and formats are the dynamic-prompts extension's: of a tree the keys make the name, below the folder that its file
lies in; a list alone has its file's name. Names are looked up, never opened, so that none leads out of the folders.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from threading import Lock
from typing import Any

import yaml

from webui.core.errors import nearest
from webui.core.prompt.dynamic import Value, is_glob

MAX_BYTES = 10_000_000
"""Of a text file; a larger one is left out."""
MAX_TREE_BYTES = 2_000_000
"""The same of a YAML or JSON file, which take longer to read."""
MAX_VALUES = 200_000
"""Of one file."""
MAX_FILES = 20_000
MAX_DEPTH = 20
"""Folders below the folder, and keys below the tree."""
_AGAIN = 1.0
"""Seconds until the folders are looked into again."""
_ENDINGS = (".txt", ".yaml", ".yml", ".json")
_WEIGHT = re.compile(r"(\d{1,9}(?:\.\d{0,9})?|\.\d{1,9})\s*::\s*")

Named = Mapping[str, tuple[Value, ...]]
"""Values by the names of wildcards."""


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


class Snapshot:
    """The wildcards of one moment. `problems`: sentences about files that were left out."""

    def __init__(self, named: Mapping[str, tuple[str, tuple[Value, ...]]], problems: Sequence[str]) -> None:
        self._named = named
        self.problems = tuple(problems)

    @property
    def names(self) -> list[str]:
        """All names, sorted."""
        return [name for name, _ in self._named.values()]

    def count(self, name: str) -> int:
        """How many values a name has."""
        return len(self.values(name))

    def values(self, pattern: str) -> Sequence[Value]:
        """What all names hold that the pattern fits; `*` stands for anything, `?` for one character."""
        wanted = _cleaned(pattern)
        # A file's name may itself look like a pattern.
        if wanted in self._named or not is_glob(wanted):
            return self._named.get(wanted, ("", ()))[1]
        found = (values for name, (_, values) in self._named.items() if fnmatchcase(name, wanted))
        return tuple(dict.fromkeys(value for values in found for value in values))

    def why_none(self, pattern: str) -> str:
        """A sentence about a pattern that no name fits."""
        if ".." in pattern or pattern.startswith(("/", "\\")) or ":" in pattern:
            return f"'{pattern[:60]}' would lead out of the wildcards' folder."
        near = nearest(_cleaned(pattern), self._named)
        hint = f" Did you mean '{self._named[near][0]}'?" if near else ""
        return f"There is no wildcard '{pattern[:60]}'.{hint}"


def _cleaned(pattern: str) -> str:
    return re.sub(r"[\\/]+", "/", pattern).strip("/ ").casefold() if ".." not in pattern else ""


def _files(folder: Path, most: int) -> Iterator[tuple[Path, tuple[int, int]]]:
    """The files below a folder, sorted, each with (time of change, size); no link that leads out of it is followed."""
    try:
        root = folder.resolve(strict=True)
    except (OSError, RuntimeError):
        return
    count = 0
    for place, folders, files in os.walk(root, followlinks=False):
        here = Path(place)
        deep = len(here.relative_to(root).parts) >= MAX_DEPTH
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
    is_text = path.suffix.casefold() == ".txt"
    shown = "/".join(relative.parts)
    if size > (MAX_BYTES if is_text else MAX_TREE_BYTES):
        return WildcardFile(path, prefix, {}, f"The wildcard file {shown} is too large and was left out.")
    try:
        text = path.read_bytes().decode("utf-8-sig", errors="replace")
    except OSError as error:
        why = error.strerror or str(error)
        return WildcardFile(path, prefix, {}, f"The wildcard file {shown} cannot be read: {why}.")
    start = f"{prefix}/" if prefix else ""
    if is_text:
        return WildcardFile(path, prefix, {start + path.stem: read_lines(text)})
    try:
        data = json.loads(text) if path.suffix.casefold() == ".json" else _read_yaml(text)
        named = {start + name: values for name, values in read_tree(data, path.stem).items()}
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        kind = path.suffix[1:].upper()
        problem = f"The wildcard file {shown} is no {kind} that can be read: {_short(error)}"
        return WildcardFile(path, prefix, {}, problem)
    return WildcardFile(path, prefix, named)


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:160].rstrip(".") + "."


def _read_yaml(text: str) -> Any:
    """Plain data; what repeats parts by reference is refused, since a short file can make endless ones so."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # compiled where that was built
    if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=loader)):
        raise yaml.YAMLError("it repeats parts by reference (*name), which is not read")
    return yaml.load(text, Loader=loader)


def read_lines(text: str) -> tuple[Value, ...]:
    """The values of a text file: a line each, without empty ones, comments and repeats."""
    lines = (line.strip() for line in text.splitlines())
    return _values(line for line in lines if line and not line.startswith("#"))


def read_tree(data: Any, name: str) -> dict[str, tuple[Value, ...]]:
    """The values in a tree of YAML or JSON by the keys that lead to them; a list alone has the given name."""
    if isinstance(data, list):
        return {name: _values(_texts(data))} if data else {}
    named: dict[str, tuple[Value, ...]] = {}
    room = [MAX_VALUES]
    if isinstance(data, dict):
        _gather(data, (), named, room)
    return named


def _gather(
    tree: Mapping[Any, Any], keys: tuple[str, ...], named: dict[str, tuple[Value, ...]], room: list[int]
) -> None:
    for key, value in tree.items():
        if not isinstance(key, str) or room[0] <= 0 or len(keys) >= MAX_DEPTH:
            continue
        room[0] -= 1
        path = (*keys, key)
        if isinstance(value, dict):
            _gather(value, path, named, room)
            continue
        values = _values(_texts(value if isinstance(value, list) else [value] if isinstance(value, str) else []))
        values = values[: room[0]]
        room[0] -= len(values)
        if values:
            named["/".join(path)] = values


def _texts(items: Sequence[Any]) -> Iterator[str | Value]:
    """The values of a list: texts, and objects of a text and a weight."""
    for item in items:
        if isinstance(item, str):
            yield "\n".join(line for line in item.splitlines() if not line.lstrip().startswith("#")).strip()
        elif isinstance(item, dict):
            text, weight = item.get("text") or item.get("content"), item.get("weight", 1)
            is_number = isinstance(weight, int | float) and not isinstance(weight, bool) and 0 <= weight < 1e9
            if isinstance(text, str) and is_number:
                yield Value(text.strip(), float(weight))


def _values(texts: Iterator[str | Value]) -> tuple[Value, ...]:
    """Each once, in order; a number and `::` in front of a text is its weight."""
    found: dict[str, Value] = {}
    for text in texts:
        value = text if isinstance(text, Value) else _weighed(text)
        if value.text and len(found) < MAX_VALUES:
            found.setdefault(value.text, value)
    return tuple(found.values())


def _weighed(text: str) -> Value:
    weight = _WEIGHT.match(text)
    return Value(text[weight.end() :], float(weight[1])) if weight else Value(text)
