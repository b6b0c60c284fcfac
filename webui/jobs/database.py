"""The SQLite file behind the queue: opened safely, set aside when damaged, its errors turned into sentences."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from webui.core.errors import StorageProblem, TransientStorageProblem
from webui.jobs.schema import MIGRATIONS, Migration, migrate
from webui.jobs.words import has_words

log = logging.getLogger(__name__)

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_COMPANIONS = ("-wal", "-shm", "-journal")


class Database:
    """One connection for all threads, each use of it alone, and a second one for long searches.

    `message` tells of a damaged file that was set aside.
    """

    def __init__(self, path: Path, migrations: Sequence[Migration] = MIGRATIONS) -> None:
        self.path = path
        self.message: str | None = None
        self._lock = threading.RLock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageProblem(f"The folder {path.parent} cannot be made: {error.strerror or error}.") from error
        try:
            self._connection = _open(path, migrations)
        except sqlite3.Error as error:
            if not _is_damage(error):
                raise _sentence(error, path) from error
            kept = _set_aside(path)
            self.message = (
                f"The database {path.name} was damaged. It is kept as {kept.name}, and a new one was started: "
                "earlier jobs and the gallery's list are in the old file, the pictures themselves are untouched."
            )
            log.error("%s (%s)", self.message, error)
            with self._sentences():
                self._connection = _open(path, migrations)
        self._searching = threading.Lock()
        with self._sentences():
            self._reader = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
            self._reader.row_factory = sqlite3.Row
            self._reader.execute("PRAGMA query_only = ON")
            self._reader.create_function("has_words", 2, has_words, deterministic=True)

    @contextmanager
    def transaction(self, flush: bool = True) -> Iterator[sqlite3.Connection]:
        """All statements inside count, or none. Raises StorageProblem.

        Whatever process is killed, they have happened when it ends. A power cut too leaves them where `flush` waits
        for the disk; without it they are there at the latest with the next transaction that does.
        """
        with self._lock, self._sentences():
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if flush else 'NORMAL'}")
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def rows(self, statement: str, values: dict[str, Any]) -> list[sqlite3.Row]:
        """The rows that a SELECT finds. Raises StorageProblem."""
        with self._lock, self._sentences():
            return self._connection.execute(statement, values).fetchall()

    def search(self, statement: str, values: dict[str, Any]) -> list[sqlite3.Row]:
        """Like `rows`, but however long it takes, neither transactions nor `rows` wait for it.

        The statement may call has_words(text, words).
        """
        with self._searching, self._sentences():
            return self._reader.execute(statement, values).fetchall()

    def close(self) -> None:
        """Let go of the file; everything is on the disk already."""
        with self._searching:
            self._reader.close()
        with self._lock:
            self._connection.close()

    @contextmanager
    def _sentences(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.IntegrityError:
            raise
        except sqlite3.Error as error:
            raise _sentence(error, self.path) from error


def _open(path: Path, migrations: Sequence[Migration]) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
    try:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA foreign_keys = ON")
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            damage = sqlite3.DatabaseError(found)
            damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise damage
        migrate(connection, path, migrations)
    except BaseException:
        connection.close()
        raise
    return connection


def _is_damage(error: sqlite3.Error) -> bool:
    return (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _DAMAGED


def _set_aside(path: Path) -> Path:
    kept = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}")
    number = 1
    while kept.exists():
        number += 1
        kept = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}-{number}")
    try:
        path.rename(kept)
        for ending in _COMPANIONS:
            companion = path.with_name(path.name + ending)
            if companion.exists():
                companion.rename(kept.with_name(kept.name + ending))
    except OSError as error:
        raise StorageProblem(
            f"The database {path} is damaged and cannot be set aside: {error.strerror or error}."
        ) from error
    return kept


def _sentence(error: sqlite3.Error, path: Path) -> StorageProblem:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return TransientStorageProblem(
            f"The disk with {path.parent} is full; nothing was lost, and nothing new can be recorded.",
            remedies=("Free some space",),
        )
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return TransientStorageProblem(
            f"The database {path} is in use by another program: {error}.",
            remedies=("Close the program that reads it",),
        )
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_IOERR):
        return StorageProblem(
            f"The database {path} cannot be written: {error}.",
            remedies=("Give this user the right to write there", "Free some space"),
        )
    if code in _DAMAGED:
        return StorageProblem(
            f"The database {path} is damaged: {error}.",
            remedies=("Restart Darkroom; it sets the damaged file aside and keeps it",),
        )
    return StorageProblem(f"The database {path} could not be used: {error}.")
