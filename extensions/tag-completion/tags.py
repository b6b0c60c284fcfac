"""Tag lists: read from CSV files, and searched by how a tag or one of its aliases begins."""

from __future__ import annotations

import csv
import logging
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import nlargest
from pathlib import Path

log = logging.getLogger(__name__)

_LAST = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag, with blanks for underscores; kind: its list's number for artist, character and so on."""

    name: str
    kind: int
    uses: int


class Tags:
    """All tags of some files: rows of name, kind, uses and, in quotes, aliases with commas between them."""

    def __init__(self, files: Sequence[Path]) -> None:
        """A row that is no tag is passed over; a file that cannot be read is named in the log."""
        found: dict[str, tuple[Tag, list[str]]] = {}
        for path in files:
            try:
                with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
                    for tag, aliases in _rows(csv.reader(file)):
                        found.setdefault(tag.name, (tag, aliases))
            except (OSError, csv.Error) as error:
                log.warning("The tag list %s cannot be read whole: %s", path.name, error)
        # (what is typed, tag, alias or "") in the order of what is typed.
        self._keys = sorted(
            (key, tag.name, "" if key == tag.name.casefold() else key)
            for tag, aliases in found.values()
            for key in {tag.name.casefold(), *aliases}
        )
        self._tags = {name: tag for name, (tag, _) in found.items()}

    def find(self, text: str, most: int) -> list[tuple[Tag, str]]:
        """(tag, the alias by which it was found or ""), the most used first; none for no text."""
        begin = _plain(text)
        if not begin:
            return []
        low, high = bisect_left(self._keys, (begin,)), bisect_left(self._keys, (begin + _LAST,))
        found: dict[str, str] = {}
        for _, name, alias in self._keys[low:high]:
            if name not in found or not alias:
                found[name] = alias
        best = nlargest(most, found, key=lambda name: (self._tags[name].uses, name))
        return [(self._tags[name], found[name]) for name in best]


def _rows(rows: Iterator[list[str]]) -> Iterator[tuple[Tag, list[str]]]:
    for row in rows:
        name = row[0].replace("_", " ").strip() if row else ""
        if not name or len(name) > 200:
            continue
        kind, uses = (_number(row[place]) if len(row) > place else 0 for place in (1, 2))
        aliases = row[3].split(",") if len(row) > 3 else []
        yield Tag(name, kind, uses), [key for alias in aliases if (key := _plain(alias))]


def _number(text: str) -> int:
    return int(text) if text.strip().isdecimal() else 0


def _plain(text: str) -> str:
    return text.replace("_", " ").strip().casefold()
