"""kill -9 of worker and web process at random moments: rows, files and events are counted afterwards."""

from __future__ import annotations

import io
import logging
import random
import shutil
from pathlib import Path

import pytest
from PIL import Image

from tests.kill.real_worker import Tiny
from tests.kill.siege import ENDS, Siege
from webui.core.job import Job, State
from webui.images import metadata
from webui.jobs.queue import Queue

log = logging.getLogger(__name__)

KILLS = 20
INSIDE = 15


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_twenty_kills_lose_nothing_and_double_nothing(tmp_path: Path, tiny: Tiny) -> None:
    draw = random.Random(7)
    siege = besiege(tmp_path, tiny, [draw.choice(["web", "worker"]) for _ in range(KILLS)])
    assert sum(kill.inside for kill in siege.kills) >= INSIDE
    assert {kill.victim for kill in siege.kills} == {"web", "worker"}
    assert {stage for kill in siege.kills for stage in kill.stages} >= {"decode or save"}


def test_three_kills_lose_nothing_and_double_nothing(tmp_path: Path, tiny: Tiny) -> None:
    besiege(tmp_path, tiny, ["web", "worker", "web"])


def besiege(folder: Path, tiny: Tiny, victims: list[str], seed: int = 7) -> Siege:
    """A siege with its counts; what it did is in kills.txt in the folder."""
    shutil.copytree(tiny.models, folder / "models" / "Stable-diffusion")
    siege = Siege(folder, seed)
    try:
        siege.run(victims)
        code = siege.server.stop()
    finally:
        siege.server.end()
        record = "\n".join(str(kill) for kill in siege.kills)
        (folder / "kills.txt").write_text(record + "\n", encoding="utf-8")
        log.info("%d jobs were accepted; the kills:\n%s", len(siege.accepted), record)
    assert code == 0
    queue = Queue(folder / "data" / "darkroom.sqlite3")
    assert queue.message is None
    jobs = queue.list(limit=100_000)
    queue.close()
    assert set(siege.accepted) <= {job.id for job in jobs}, "what was accepted is there"
    count_files(folder / "outputs", jobs)
    for job in jobs:
        count_events(siege, job)
    return siege


def count_files(outputs: Path, jobs: list[Job]) -> None:
    """Every job is done with all its pictures; every picture is whole; no other file is there."""
    assert {(job.state, len(job.pictures)) for job in jobs} == {(State.DONE, job.request.pictures) for job in jobs}
    paths = []
    for job in jobs:
        assert [picture.index for picture in job.pictures] == list(range(job.request.pictures))
        for picture in job.pictures:
            data = (outputs / picture.path).read_bytes()
            Image.open(io.BytesIO(data)).load()
            found = metadata.read(data)
            assert (found.request, found.index) == (job.request.to_json(), picture.index)
            paths.append(picture.path)
    files = [file for file in outputs.rglob("*") if file.is_file() and ".cache" not in file.parts]
    assert sorted(file.relative_to(outputs).as_posix() for file in files) == sorted(paths)


def count_events(siege: Siege, job: Job) -> None:
    """The follower that came back each time was told of every picture and of exactly one end, the end last."""
    events = [event for event in siege.follower.events[job.id] if event["event"] not in ("preview", "note")]
    told = {event["id"] for event in events if event["event"] == "image"}
    assert told == {picture.id for picture in job.pictures}
    assert {event["event"] for event in events if event["event"] in ENDS} == {"finished"}
    first_end = next(place for place, event in enumerate(events) if event["event"] == "finished")
    assert all(event["event"] in ("image", "finished") for event in events[first_end:]), "nothing happens after the end"
