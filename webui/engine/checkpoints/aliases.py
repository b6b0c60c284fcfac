"""Find a checkpoint by everything that A1111 and its kin call it: title, name, file, hash. Torch-free."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar

_HASH_END = re.compile(r"\s*\[([0-9a-f]{6,64})\]$", re.IGNORECASE)
_HASH = re.compile(r"[0-9a-f]{10,64}", re.IGNORECASE)
SHORT_HASH = 10
"""Digits of sha256 in titles; fewer find nothing, since two checkpoints might share them."""


class Named(Protocol):
    """What is known by an alias."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def hash(self) -> str: ...
    @property
    def legacy_hash(self) -> str: ...


NamedT = TypeVar("NamedT", bound=Named)


class Aliases(Generic[NamedT]):
    """All names of many checkpoints, without regard to case; where two share one, the first by name has it."""

    def __init__(self, ordered: Iterable[NamedT]) -> None:
        self._names: dict[str, NamedT] = {}
        self._files: dict[str, list[NamedT]] = {}
        self._hashes: dict[str, NamedT] = {}
        self._short: dict[str, list[NamedT]] = {}
        for one in ordered:
            self._names.setdefault(one.name.casefold(), one)
            for name in _file_names(one):
                self._files.setdefault(name.casefold(), []).append(one)
            if one.legacy_hash:
                self._hashes.setdefault(one.legacy_hash, one)
            if one.hash:
                self._short.setdefault(one.hash[:SHORT_HASH], []).append(one)

    def find(self, text: str) -> NamedT | None:
        """The one that is called so: see the module's first line. None when there is none."""
        text = text.strip()
        bare, digits = name_of(text), hash_of(text)
        # A name may itself end in brackets.
        for name in dict.fromkeys((text, bare)):
            found = self._names.get(_folded(name))
            if found is not None:
                return found
        for name in dict.fromkeys((text, bare)):
            same = self._files.get(_folded(name), [])
            if same:
                # Files of one name in several folders are told apart by the title's hash.
                return next((one for one in same if digits and _has(one, digits)), same[0])
        # A file that was moved or renamed since is still known by the hash in its title.
        return self._by_hash(digits or text.casefold())

    def _by_hash(self, digits: str) -> NamedT | None:
        if digits in self._hashes:
            return self._hashes[digits]
        if not _HASH.fullmatch(digits):
            return None
        return next((one for one in self._short.get(digits[:SHORT_HASH], []) if one.hash.startswith(digits)), None)


def name_of(title: str) -> str:
    """The name in a checkpoint's title."""
    return _HASH_END.sub("", title)


def hash_of(title: str) -> str:
    """The hash in a checkpoint's title, "" where it has none."""
    found = _HASH_END.search(title)
    return found[1].casefold() if found else ""


def _has(one: Named, digits: str) -> bool:
    return one.hash.startswith(digits) or one.legacy_hash == digits


def _folded(name: str) -> str:
    return name.replace("\\", "/").lstrip("/").casefold()


def _file_names(one: Named) -> set[str]:
    """Its name without ending and without folder, and A1111's `model_name`, with _ between folders."""
    # By hand: there are thousands of them, and pathlib would take a tenth of a second.
    folder, slash, last = one.name.rpartition("/")
    stem = last if one.kind == "diffusers" else last.rpartition(".")[0] or last
    whole = f"{folder}{slash}{stem}"
    return {last, stem, whole, whole.replace("/", "_")}
