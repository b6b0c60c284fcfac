"""What a recogniser of a network sees, and what it says of it. Torch-free."""

from __future__ import annotations

import sys
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from webui.engine.checkpoints.headers.base import TensorInfo

_LAST = chr(sys.maxunicode)


class Names(Mapping[str, TensorInfo]):
    """The tensors of a file whose names begin with a prefix, without it; what begins with what is found at once."""

    def __init__(self, tensors: Mapping[str, TensorInfo], prefix: str = "") -> None:
        ordered = tensors.ordered if isinstance(tensors, Names) else sorted(tensors)
        chosen = ordered[bisect_left(ordered, prefix) : bisect_left(ordered, prefix + _LAST)] if prefix else ordered
        self._inside = {name[len(prefix) :]: tensors[name] for name in chosen}
        self.ordered: list[str] = list(self._inside)
        self.whole: Names = tensors.whole if isinstance(tensors, Names) else self
        """All of the file's, with their prefixes."""

    def __getitem__(self, name: str) -> TensorInfo:
        return self._inside[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._inside)

    def __len__(self) -> int:
        return len(self._inside)

    def shape(self, name: str) -> tuple[int, ...] | None:
        """The tensor's shape, None where there is no such tensor."""
        found = self._inside.get(name)
        return found.shape if found else None

    def count(self, pattern: str) -> int:
        """How many there are in a row: the first number n from 0 for which no name begins with `pattern` filled in."""
        number = 0
        while self.has(pattern.format(number)):
            number += 1
        return number

    def has(self, start: str) -> bool:
        """Whether any name begins with this."""
        place = bisect_left(self.ordered, start)
        return place < len(self.ordered) and self.ordered[place].startswith(start)


@dataclass(frozen=True, slots=True)
class Form:
    """One network as its tensors show it.

    config: how to build it, by the library's names. layout: the naming of its tensors, which its reader understands
    ("diffusers", "original", ...). facts: what a family needs to tell its variants apart ("context_width": 768).
    """

    layout: str
    config: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


Recognise = Callable[[Names, Mapping[str, Any] | None], Form | None]
"""What an architecture row's `recognise` names: None for tensors of something else.

The second argument is the network's configuration in diffusers' form where a folder holds one; it then counts more
than what shapes tell.
"""

Places = Mapping[str, str]
"""Names of tensors that tell a network's form, by what they are to its recogniser."""

_OTHER_PROGRAMS = ("original", "llama_cpp")
"""The layouts of single files; a folder with a configuration is in its library's naming."""


def recognise_by(
    namings: Mapping[str, Places],
    read: Callable[[Names, Places], dict[str, Any] | None],
    tell: Callable[[Mapping[str, Any]], dict[str, Any]],
    names: Names,
    config: Mapping[str, Any] | None,
) -> Form | None:
    """The form of a network that is known in several namings, by layout; see `Recognise` for the last two.

    read: the configuration that shapes tell, None for something else. tell: the facts of a configuration.
    """
    for layout, places in namings.items():
        if config is not None and layout in _OTHER_PROGRAMS:
            continue
        found = read(names, places)
        if found is not None:
            settings = found if config is None else config
            return Form(layout, settings, tell({**found, **settings}))
    return None
