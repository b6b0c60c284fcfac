"""After a kill between files and rows, a start brings both to one state."""

from __future__ import annotations

import os
import time
from pathlib import Path

from webui.core.job import Job, State
from webui.core.request import GenerationRequest
from webui.images.store import PictureStore
from webui.jobs.queue import Queue
from webui.jobs.recovery import take_up


def begun(queue: Queue) -> Job:
    request = GenerationRequest(prompt="a red circle", n_iter=2)
    queue.put(Job("job", "me", request, State.QUEUED, created=1_780_000_000.0, place=1.0))
    return queue.start("job")


def test_numbers_taken_before_their_rows_were_written_are_free_again(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "darkroom.sqlite3")
    store = PictureStore(tmp_path / "outputs", owner=queue.name)
    job = begun(queue)
    known, lost = store.reserve(job.task, [7, 8], job.created)
    queue.reserve(job.id, [(0, 7, known)])
    queue.close()

    again = Queue(tmp_path / "darkroom.sqlite3")
    take_up(again, PictureStore(tmp_path / "outputs", owner=again.name))
    assert again.get(job.id).state is State.QUEUED
    assert store.reserve(job.task, [8], job.created) == [lost], "the number is free"
    assert again.reserved(job.id) == {0: known}
    assert again.swept > 0
    again.close()


def test_folders_are_looked_into_for_a_day_after_their_last_change(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "darkroom.sqlite3")
    store = PictureStore(tmp_path / "outputs", owner=queue.name)
    (path,) = store.reserve("txt2img", [7])
    folder = store.path(path).parent
    queue.swept = time.time()
    # The disk's machine may be hours behind ours.
    os.utime(folder, (queue.swept - 5 * 3600, queue.swept - 5 * 3600))
    take_up(queue, store)
    assert list(folder.iterdir()) == []
    queue.close()


def test_a_database_keeps_its_name_and_no_other_has_it(tmp_path: Path) -> None:
    names = []
    for file in ("one", "one", "other"):
        queue = Queue(tmp_path / file)
        names.append(queue.name)
        queue.close()
    assert names[0] == names[1] != names[2]


def test_an_outputs_folder_that_cannot_be_read_stops_no_start(tmp_path: Path) -> None:
    (tmp_path / "outputs").write_text("no folder")
    queue = Queue(tmp_path / "darkroom.sqlite3")
    job = begun(queue)
    take_up(queue, PictureStore(tmp_path / "outputs", owner=queue.name))
    assert queue.get(job.id).state is State.QUEUED
    queue.close()
