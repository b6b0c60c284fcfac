"""The tables of the database, as one migration for each version, and how a file is brought to the newest."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from webui.core.errors import StorageProblem

log = logging.getLogger(__name__)

Migration = tuple[str, ...]

_VERSION_1: Migration = (
    """
    CREATE TABLE jobs (
        id TEXT PRIMARY KEY,
        owner TEXT NOT NULL,
        task TEXT NOT NULL,
        request TEXT NOT NULL,
        state TEXT NOT NULL,
        created REAL NOT NULL,
        place REAL NOT NULL,
        started REAL,
        ended REAL,
        attempts INTEGER NOT NULL DEFAULT 0,
        alone INTEGER NOT NULL DEFAULT 0,
        interrupted INTEGER NOT NULL DEFAULT 0,
        problem TEXT,
        timings TEXT
    ) STRICT
    """,
    "CREATE INDEX jobs_by_state ON jobs (state, place)",
    "CREATE INDEX jobs_by_owner ON jobs (owner, created)",
    "CREATE INDEX jobs_by_start ON jobs (started, owner)",
    """
    CREATE TABLE pictures (
        id TEXT PRIMARY KEY,
        job_id TEXT NOT NULL REFERENCES jobs (id),
        number INTEGER NOT NULL,
        owner TEXT NOT NULL,
        path TEXT NOT NULL,
        seed INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('reserved', 'saved', 'removed')),
        width INTEGER,
        height INTEGER,
        infotext TEXT,
        created REAL,
        stopped_at INTEGER,
        UNIQUE (job_id, number)
    ) STRICT
    """,
    "CREATE INDEX pictures_by_owner ON pictures (owner, created) WHERE state = 'saved'",
    "CREATE INDEX pictures_by_time ON pictures (created)",
    "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT",
)

_VERSION_2: Migration = (
    "CREATE INDEX jobs_running ON jobs (owner) WHERE state = 'running'",
    "CREATE INDEX jobs_by_time ON jobs (created)",
)

_VERSION_3: Migration = ("ALTER TABLE jobs ADD COLUMN result TEXT",)

_VERSION_4: Migration = ("CREATE INDEX jobs_by_task ON jobs (task, created)",)

_VERSION_5: Migration = (
    "ALTER TABLE jobs ADD COLUMN parent TEXT",
    "ALTER TABLE jobs ADD COLUMN part INTEGER",
    "CREATE UNIQUE INDEX jobs_by_parent ON jobs (parent, part) WHERE parent IS NOT NULL",
)

MIGRATIONS: tuple[Migration, ...] = (_VERSION_1, _VERSION_2, _VERSION_3, _VERSION_4, _VERSION_5)
"""Statements that lead from version n to n + 1. Only ever appended to: files of every age are out there."""


def migrate(connection: sqlite3.Connection, path: Path, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Bring the database to the newest version in one transaction; before that a backup of an older one is made.

    Raises StorageProblem for a database that a newer version of the program wrote.
    """
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    newest = len(migrations)
    if version > newest:
        raise StorageProblem(
            f"The database {path} was written by a newer Darkroom (its version is {version}, this one reads {newest}).",
            remedies=("Update Darkroom", f"Put a backup named {path.name}.version-*.bak in its place"),
        )
    if version == newest:
        return
    if version:
        _back_up(connection, path.with_name(f"{path.name}.version-{version}.bak"))
    connection.execute("BEGIN IMMEDIATE")
    try:
        for migration in migrations[version:]:
            for statement in migration:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {newest}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
    if version:
        log.info("The database was brought from version %d to %d.", version, newest)


def _back_up(connection: sqlite3.Connection, backup: Path) -> None:
    unfinished = backup.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    connection.execute("VACUUM INTO ?", (str(unfinished),))
    unfinished.replace(backup)
    log.info("The database as it was is kept as %s.", backup)
