"""The database file: damaged ones are set aside, older ones migrated from a backup, full and locked ones explained."""

from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path

import pytest

from tests.jobs.helpers import MakeJob
from webui.core.errors import StorageProblem, TransientStorageProblem
from webui.core.events import Picture
from webui.core.job import State
from webui.jobs.database import Database
from webui.jobs.queue import Queue
from webui.jobs.schema import MIGRATIONS

LATER = (*MIGRATIONS, ("ALTER TABLE jobs ADD COLUMN mood TEXT", "UPDATE jobs SET mood = 'fine'"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "darkroom.sqlite3"


def fill(path: Path, make_job: MakeJob, count: int = 50) -> None:
    queue = Queue(path)
    for _ in range(count):
        queue.put(make_job(prompt="x" * 500))
    queue.close()


def damage_header(path: Path) -> None:
    path.write_bytes(b"not a database at all" * 100)


def damage_middle(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096 : len(data) - 4096] = os.urandom(len(data) - 8192)
    path.write_bytes(data)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("damage", [damage_header, damage_middle, cut_short])
def test_a_damaged_file_is_kept_aside_and_a_new_one_works(path: Path, make_job: MakeJob, damage: object) -> None:
    fill(path, make_job)
    damage(path)  # type: ignore[operator]
    damaged = path.read_bytes()
    queue = Queue(path)
    assert queue.list() == []
    (kept,) = path.parent.glob("*.damaged-*")
    assert kept.read_bytes() == damaged
    assert queue.message is not None and kept.name in queue.message and "damaged" in queue.message
    job = make_job()
    queue.put(job)
    queue.close()
    again = Queue(path)
    assert again.get(job.id) == job and again.message is None
    again.close()
    damage_header(path)
    Queue(path).close()
    assert len(list(path.parent.glob("*.damaged-*"))) == 2, "a second one does not replace the first"


def test_an_empty_file_is_no_damage(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    queue = Queue(path)
    assert queue.message is None
    queue.close()


def test_a_newer_version_migrates_after_a_backup(path: Path, make_job: MakeJob) -> None:
    fill(path, make_job, 3)
    newer = Database(path, LATER)
    assert {row["mood"] for row in newer.rows("SELECT mood FROM jobs", {})} == {"fine"}
    newer.close()
    (backup,) = path.parent.glob("*.bak")
    with pytest.raises(StorageProblem, match="newer Darkroom"):
        Queue(path)
    path.unlink()
    backup.rename(path)
    old = Queue(path)
    assert len(old.list()) == 3, "the backup undoes the migration"
    old.close()


def test_a_migration_that_fails_changes_nothing(path: Path, make_job: MakeJob) -> None:
    fill(path, make_job, 3)
    broken = (*LATER, ("ALTER TABLE nothing ADD COLUMN x TEXT",))
    with pytest.raises(StorageProblem):
        Database(path, broken)
    queue = Queue(path)
    assert len(queue.list()) == 3
    assert "mood" not in queue._database.rows("SELECT * FROM jobs LIMIT 1", {})[0].keys()  # noqa: SIM118 - a Row
    queue.close()


def test_a_full_disk_is_a_sentence_and_what_was_accepted_stays(path: Path, make_job: MakeJob) -> None:
    queue = Queue(path)
    first = make_job()
    queue.put(first)
    connection = queue._database._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(TransientStorageProblem, match="full") as problem:
        for _ in range(100):
            queue.put(make_job(id="big", prompt="x" * 20_000))
    assert problem.value.remedies
    assert [job.id for job in queue.list()] == [first.id]
    connection.execute("PRAGMA max_page_count = 1000000")
    queue.put(make_job(id="big", prompt="x" * 20_000))
    queue.start(first.id)
    queue.end(first.id, State.DONE)
    queue.close()


@pytest.mark.skipif(os.name == "nt" or os.getuid() == 0, reason="root may write anywhere")
def test_an_unwritable_folder_is_a_sentence(path: Path) -> None:
    path.parent.mkdir()
    path.parent.chmod(0o500)
    try:
        with pytest.raises(StorageProblem, match="cannot be written"):
            Queue(path)
    finally:
        path.parent.chmod(0o700)


def test_a_folder_in_the_place_of_the_file_is_a_sentence(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(StorageProblem):
        Queue(path)
    assert path.is_dir(), "what is not ours is left alone"


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageProblem, match="cannot be made"):
        Queue(tmp_path / "file" / "data.sqlite3")


def test_a_transaction_that_fails_changes_nothing(path: Path, make_job: MakeJob) -> None:
    queue = Queue(path)
    queue.put(make_job(id="j"))
    with pytest.raises(sqlite3.IntegrityError):
        queue.reserve("j", [(0, 1, "a.png"), (0, 1, "b.png")])
    assert queue.reserved("j") == {}
    queue.reserve("j", [(0, 1, "a.png")])
    queue.close()


def test_a_locked_file_passes_and_a_damaged_one_does_not(path: Path, make_job: MakeJob) -> None:
    queue = Queue(path)
    queue._database._connection.execute("PRAGMA busy_timeout = 1")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(TransientStorageProblem, match="another program"):
        queue.put(make_job())
    other.execute("ROLLBACK")
    other.close()
    damage = sqlite3.DatabaseError("database disk image is malformed")
    damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    with pytest.raises(StorageProblem, match="damaged") as problem, queue._database.transaction():
        raise damage
    assert not isinstance(problem.value, TransientStorageProblem)
    queue.close()


def test_a_long_search_holds_up_no_transaction(path: Path, make_job: MakeJob) -> None:
    queue = Queue(path)
    job = make_job()
    queue.put(job)
    queue.reserve(job.id, [(0, 7, "a.png")])
    queue.save_picture(job.id, Picture(0, 7, b"png", 64, 64, "a red circle"))
    searching, go_on = threading.Event(), threading.Event()

    def hold() -> int:
        searching.set()
        return 0 if go_on.wait(60) else 1

    queue._database._reader.set_progress_handler(hold, 1)
    found: list[object] = []
    search = threading.Thread(target=lambda: found.extend(queue.pictures(search="circle")))
    search.start()
    assert searching.wait(60)
    queue.start(job.id)
    assert queue.get(job.id).state is State.RUNNING and queue.line() == []
    assert search.is_alive() and not found
    go_on.set()
    search.join()
    assert len(found) == 1
    queue.close()
