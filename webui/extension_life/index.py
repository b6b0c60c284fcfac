"""Lists of extensions that somebody keeps: JSON files at addresses or paths which the settings name, searched by words.

A file is `{"extensions": [row, ...]}`, a row an object with name, title, description, source, version and sha256.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from webui.core.errors import DarkroomError, InvalidField
from webui.engine.work.download.tokens import TokenFile
from webui.engine.work.download.web import Web, WebProblem, check_address
from webui.plugins.manifest import is_name, same

_FRESH_SECONDS = 300.0
_MOST_BYTES = 4 * 2**20
_MOST_ROWS = 5000
_MOST_TEXT = 1000
_MOST_FOUND = 50
_SUM = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Row:
    """An extension in an index. source: as a person would write it; sha256: of its content or archive, or ""."""

    name: str
    title: str
    description: str
    source: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Rows:
    """What was found. problems: a sentence for each index that could not be read, or not wholly."""

    rows: tuple[Row, ...]
    problems: tuple[str, ...]


def split_addresses(text: str) -> list[str]:
    """The addresses in the setting: with commas or spaces between them."""
    return [part for part in re.split(r"[,\s]+", text) if part]


class Indexes:
    """Reads the indexes, and keeps what they said for some minutes; may be asked from several threads."""

    def __init__(self, tokens: Path) -> None:
        self._tokens = tokens
        self._lock = threading.Lock()
        self._read: dict[str, tuple[float, Rows]] = {}

    def search(self, addresses: Sequence[str], words: str) -> Rows:
        """Rows that have all the words, those whose name begins with them first; at most 50."""
        wanted = words.casefold().split()
        found = self.all(addresses)
        rows = [row for row in found.rows if all(word in _text(row) for word in wanted)]
        rows.sort(key=lambda row: (not row.name.startswith(words.strip().casefold()), row.title.casefold()))
        return Rows(tuple(rows[:_MOST_FOUND]), found.problems)

    def row(self, addresses: Sequence[str], name: str) -> Row | None:
        """The row of this extension; the first index counts."""
        return next((row for row in self.all(addresses).rows if same(row.name, name)), None)

    def all(self, addresses: Sequence[str]) -> Rows:
        """All rows of all indexes; of one name only the first."""
        rows: dict[str, Row] = {}
        problems: list[str] = []
        for address in addresses:
            found = self._one(address)
            problems += found.problems
            for row in found.rows:
                rows.setdefault(row.name.replace("-", "_"), row)
        return Rows(tuple(rows.values()), tuple(problems))

    def _one(self, address: str) -> Rows:
        with self._lock:
            when, kept = self._read.get(address, (0.0, Rows((), ())))
            if when and time.monotonic() - when < _FRESH_SECONDS:
                return kept
            try:
                found = _rows(json.loads(_fetch(address, self._tokens)), address)
            except DarkroomError as error:
                # Not kept: it may be there with the next try.
                return Rows((), (f"The index {address[:100]} could not be read. {error.detail}",))
            except (ValueError, RecursionError):
                return Rows((), (f"The index {address[:100]} is no JSON.",))
            if "://" in address:
                self._read[address] = (time.monotonic(), found)
            return found


def _fetch(address: str, tokens: Path) -> bytes:
    if "://" not in address:
        path = Path(address).expanduser()
        try:
            with path.open("rb") as file:
                data = file.read(_MOST_BYTES + 1)
        except OSError as error:
            raise InvalidField(f"{path} cannot be read: {error.strerror or error}.") from error
        if len(data) > _MOST_BYTES:
            raise InvalidField("It is far too long.")
        return data
    web = Web([check_address(address)], TokenFile(tokens))
    try:
        with web.open("GET", address, {"Accept": "application/json"}) as answer:
            web.check(answer)
            data = b""
            for piece in answer.response.iter_raw():
                data += piece
                if len(data) > _MOST_BYTES:
                    raise WebProblem("It is far too long.")
            return data
    finally:
        web.close()


def _rows(data: Any, address: str) -> Rows:
    entries = data.get("extensions") if isinstance(data, dict) else None
    if not isinstance(entries, list):
        return Rows((), (f'The index {address[:100]} is not of the form {{"extensions": [...]}}.',))
    rows = [row for row in map(_row, entries[:_MOST_ROWS]) if row is not None]
    left = len(entries) - len(rows)
    problems = (f"Of the index {address[:100]}, {left:,} of {len(entries):,} rows cannot be read.",) if left else ()
    return Rows(tuple(rows), problems)


def _row(entry: Any) -> Row | None:
    """A row of an index; None for one that is not whole. What a newer index says besides is passed over."""
    if not isinstance(entry, dict):
        return None
    texts = {key: entry.get(key, "") for key in ("name", "title", "description", "source", "version", "sha256")}
    if not all(isinstance(text, str) and len(text) <= _MOST_TEXT for text in texts.values()):
        return None
    if not is_name(texts["name"]) or not texts["source"] or (texts["sha256"] and not _SUM.fullmatch(texts["sha256"])):
        return None
    return Row(**{**texts, "title": texts["title"] or texts["name"]})


def _text(row: Row) -> str:
    return f"{row.name} {row.title} {row.description}".casefold()
