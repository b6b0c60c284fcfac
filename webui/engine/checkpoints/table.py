"""The SQLite file that remembers what lies in the folders of models, for all processes of a data folder. Torch-free."""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

log = logging.getLogger(__name__)

FILE = "models.sqlite3"
# Where hashes were kept before there was a table.
_OLD_FILE = "checkpoint-hashes.json"
_FORM = 2
_SAME = (1, _FORM)
"""Of the tables: their form, and those whose tables are still good. A file of any other is emptied, since all in it can
be found out again."""

_TABLES = """
CREATE TABLE IF NOT EXISTS looks (
    path TEXT PRIMARY KEY, stamp TEXT NOT NULL, version TEXT NOT NULL, found TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS hashes (
    path TEXT PRIMARY KEY, size INTEGER NOT NULL, changed INTEGER NOT NULL, sha256 TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS cards (
    path TEXT PRIMARY KEY, stamp TEXT NOT NULL, version TEXT NOT NULL, card TEXT NOT NULL
) STRICT;
"""

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_WAIT_SECONDS = 5.0

HashKey = tuple[str, int, int]
"""A file's path, its size in bytes and its time of change in nanoseconds."""

T = TypeVar("T")


class ModelTable:
    """What was found out about files, by path; safe to use from several threads and processes.

    It opens the file for each use. Where that cannot be used, a damaged one is set aside, and for any other reason
    (locked, read-only, full) the answer is that nothing is known: all of it can be found out again.
    """

    def __init__(self, folder: Path | None) -> None:
        """folder: where the file lies; None keeps nothing."""
        self._path = folder / FILE if folder else None
        self._said: set[str] = set()
        if folder and (folder / _OLD_FILE).is_file():
            self._take_over(folder / _OLD_FILE)

    def looks(self, version: str) -> dict[str, tuple[str, str]]:
        """(stamp, what was found as JSON) by path, of those that this version of the recognisers wrote."""
        statement = "SELECT path, stamp, found FROM looks WHERE version = ?"

        def read(connection: sqlite3.Connection) -> dict[str, tuple[str, str]]:
            return {path: (stamp, found) for path, stamp, found in connection.execute(statement, (version,))}

        return self._use(read, {})

    def keep_looks(self, version: str, found: Mapping[str, tuple[str, str]]) -> None:
        """Remember (stamp, what was found as JSON) by path."""
        rows = [(path, stamp, version, text) for path, (stamp, text) in found.items()]
        self._use(lambda c: c.executemany("INSERT OR REPLACE INTO looks VALUES (?, ?, ?, ?)", rows), None, writes=True)

    def forget_looks(self, paths: Iterable[str]) -> None:
        """Forget what was found at these paths."""
        rows = [(path,) for path in paths]
        if rows:
            self._use(lambda c: c.executemany("DELETE FROM looks WHERE path = ?", rows), None, writes=True)

    def cards(self, version: str) -> dict[str, tuple[str, str]]:
        """(stamp of the files beside it, card as JSON) by a model's path, of those that this version of us read."""
        statement = "SELECT path, stamp, card FROM cards WHERE version = ?"

        def read(connection: sqlite3.Connection) -> dict[str, tuple[str, str]]:
            return {path: (stamp, card) for path, stamp, card in connection.execute(statement, (version,))}

        return self._use(read, {})

    def keep_cards(self, version: str, cards: Mapping[str, tuple[str, str]], forget: Iterable[str]) -> None:
        """Remember (stamp, card as JSON) by a model's path; forget those of these paths."""
        rows = [(path, stamp, version, card) for path, (stamp, card) in cards.items()]
        gone = [(path,) for path in forget]

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany("DELETE FROM cards WHERE path = ?", gone)
            connection.executemany("INSERT OR REPLACE INTO cards VALUES (?, ?, ?, ?)", rows)

        self._use(write, None, writes=True)

    def hashes(self) -> dict[HashKey, str]:
        """All hashes that are known: sha256 in hex."""
        statement = "SELECT path, size, changed, sha256 FROM hashes"

        def read(connection: sqlite3.Connection) -> dict[HashKey, str]:
            return {(path, size, changed): digest for path, size, changed, digest in connection.execute(statement)}

        return self._use(read, {})

    def keep_hashes(self, hashes: Mapping[HashKey, str]) -> None:
        """Remember hashes; one of an earlier state of the same file goes."""
        rows = [(*key, digest) for key, digest in hashes.items()]
        self._use(lambda c: c.executemany("INSERT OR REPLACE INTO hashes VALUES (?, ?, ?, ?)", rows), None, writes=True)

    def _use(self, action: Callable[[sqlite3.Connection], T], otherwise: T, *, writes: bool = False) -> T:
        if self._path is None:
            return otherwise
        try:
            try:
                with self._open(self._path, writes) as connection:
                    return action(connection)
            except sqlite3.DatabaseError as error:
                if (getattr(error, "sqlite_errorcode", 0) & 0xFF) not in _DAMAGED:
                    raise
                self._set_aside(self._path, error)
                with self._open(self._path, writes) as connection:
                    return action(connection)
        except (sqlite3.Error, OSError) as error:
            if str(error) not in self._said:
                self._said.add(str(error))
                log.warning("%s cannot be used (%s); what it knows is found out again.", self._path, error)
            return otherwise

    @contextmanager
    def _open(self, path: Path, writes: bool) -> Iterator[sqlite3.Connection]:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=_WAIT_SECONDS, isolation_level=None)
        try:
            _prepare(connection)
            connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
            yield connection
            connection.execute("COMMIT")
        finally:
            connection.close()

    def _set_aside(self, path: Path, error: sqlite3.Error) -> None:
        kept = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}")
        log.warning("%s is damaged (%s); it is kept as %s, and a new one is started.", path, error, kept.name)
        for ending in ("", "-wal", "-shm"):
            file = path.with_name(path.name + ending)
            if file.exists():
                file.replace(kept.with_name(kept.name + ending))

    def _take_over(self, old: Path) -> None:
        """Bring in the hashes of the file that was used before there was a table, and take that file away."""
        try:
            data = json.loads(old.read_text(encoding="utf-8"))
            found = {}
            for text, digest in data.items():
                path, size, changed = str(text).rsplit("|", 2)
                found[path, int(size), int(changed)] = str(digest)
        except (OSError, ValueError, AttributeError) as error:
            log.warning("%s was damaged (%s); hashes are computed again.", old, error)
            found = {}
        self.keep_hashes({**found, **self.hashes()})
        # Kept for another start where the table could not take them.
        if not found or found.keys() <= self.hashes().keys():
            old.unlink(missing_ok=True)


def _prepare(connection: sqlite3.Connection) -> None:
    if connection.execute("PRAGMA user_version").fetchone()[0] == _FORM:
        return
    # Two processes may come here at the same time: the second waits, and finds all done.
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN IMMEDIATE")
    form = connection.execute("PRAGMA user_version").fetchone()[0]
    if form != _FORM:
        for table in ("looks", "hashes", "cards") if form not in _SAME else ():
            connection.execute(f"DROP TABLE IF EXISTS {table}")
        for statement in filter(str.strip, _TABLES.split(";")):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {_FORM}")
    connection.execute("COMMIT")
