"""queue lists what runs and waits, and acts on it, with and without a server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.web.helpers import Site, finished
from webui.cli import main
from webui.core.job import OWNER_ID, Job, State
from webui.core.paths import Paths
from webui.core.request import GenerationRequest
from webui.jobs.queue import Queue


def run(home: Path, *arguments: str) -> int:
    return main(["queue", "--data-dir", str(home), *arguments])


@pytest.fixture
def waiting(home: Path) -> list[str]:
    """Three jobs that an earlier server has left in the line."""
    queue = Queue(Paths(data_dir=home).database)
    ids = ["aaa-1", "abb-2", "ccc-3"]
    for place, job_id in enumerate(ids):
        request = GenerationRequest(prompt=f"picture {place}\nof\tmany " + "words " * 20, width=64, height=64)
        queue.put(Job(job_id, OWNER_ID, request, State.QUEUED, created=float(place + 1), place=float(place + 1)))
    queue.close()
    return ids


def listed(home: Path, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert run(home, "list", "--json") == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_an_empty_line_is_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(home) == 0
    assert capsys.readouterr().out == "0 running, 0 waiting.\n"


def test_each_job_has_a_line(home: Path, waiting: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(home) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head == "0 running, 3 waiting."
    assert [line.split()[0] for line in lines] == waiting
    assert "waiting, 1." in lines[0] and "64x64 x 1" in lines[0] and "picture 0 of many" in lines[0]
    assert all(len(line) < 120 for line in lines)


def test_jobs_are_found_by_their_beginning(home: Path, waiting: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(home, "cancel", "ab") == 0
    assert [job["id"] for job in listed(home, capsys)] == ["aaa-1", "ccc-3"]
    assert run(home, "front", "ccc-3") == 0
    assert [(job["id"], job["position"]) for job in listed(home, capsys)] == [("ccc-3", 0), ("aaa-1", 1)]
    assert run(home, "clear") == 0
    assert listed(home, capsys) == []


@pytest.mark.usefixtures("waiting")
@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["cancel", "a"], 2, "Several jobs begin with 'a': aaa-1, abb-2"),
        (["cancel", "zzz"], 2, "Unknown job 'zzz'"),
        (["cancel"], 2, "queue cancel needs the id of a job"),
        (["pause", "aaa"], 2, "queue pause is not for one job"),
        (["dance"], 2, "not 'dance'"),
        (["interrupt", "aaa"], 1, "No Darkroom runs"),
    ],
)
def test_what_cannot_be_done_is_said(
    home: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, expected: str
) -> None:
    assert run(home, *arguments) == code
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize("server", [False, True])
def test_pausing_holds(
    home: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str], server: bool
) -> None:
    if server:
        request.getfixturevalue("site")
    assert run(home, "pause") == 0
    assert run(home) == 0
    assert "the queue is paused" in capsys.readouterr().out
    assert run(home, "resume") == 0
    assert run(home) == 0
    assert "paused" not in capsys.readouterr().out


def test_a_servers_jobs_are_listed_stopped_and_cancelled(
    home: Path, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    owner = site.owner()
    long = {"prompt": "long", "steps": 150, "n_iter": 100, "width": 64, "height": 64}
    first, second = (owner.post("/api/v1/jobs", json=long).raise_for_status().json()["id"] for _ in range(2))
    assert {job["id"] for job in listed(home, capsys)} == {first, second}
    assert run(home, "cancel", second) == 0
    # The second may have begun beside the first: it ends when the engine lets go of it.
    assert finished(owner, second)["state"] == "cancelled"
    assert [job["id"] for job in listed(home, capsys)] == [first]
    assert run(home, "interrupt", first) == 0
    assert run(home, "interrupt", first) == 0
    ended = finished(owner, first)
    assert (ended["state"], ended["interrupted"]) == ("done", True)
    assert len(ended["pictures"]) < 100


def test_generate_leaves_what_others_have_in_the_line_to_the_server(home: Path, waiting: list[str]) -> None:
    assert main(["generate", "--data-dir", str(home), "a red circle", "--steps", "3", "--size", "64x64"]) == 0
    queue = Queue(Paths(data_dir=home).database)
    left = queue.waiting()
    made = queue.list(states=[State.DONE])
    queue.close()
    assert [job.id for job in left] == waiting and {job.started for job in left} == {None}
    assert [len(job.pictures) for job in made] == [1]
