"""Wildcards: what a file of values holds, and the values of all names at one moment.

Formats are the dynamic-prompts extension's: a line of a text file is a value; YAML and JSON hold trees of them, whose
keys make the name; a list alone has its file's name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import yaml

from webui.core.errors import nearest
from webui.core.prompt.dynamic import Value, is_glob

MAX_VALUES = 200_000
"""Of one file."""
MAX_DEPTH = 20
"""Keys below a tree."""
_WEIGHT = re.compile(r"(\d{1,9}(?:\.\d{0,9})?|\.\d{1,9})\s*::\s*")

Named = Mapping[str, tuple[Value, ...]]
"""Values by the names of wildcards."""


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


def read_file(text: str, stem: str, ending: str) -> Named:
    """The values in a file by their names.

    text: what it holds; stem: its name without ending; ending: .txt (a line each), .yaml, .yml or .json (trees).
    Raises ValueError with a sentence for what is no YAML or JSON.
    """
    if ending == ".txt":
        return {stem: read_lines(text)}
    try:
        return read_tree(json.loads(text) if ending == ".json" else _read_yaml(text), stem)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"is no {ending[1:].upper()} that can be read: {_short(error)}") from error


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
