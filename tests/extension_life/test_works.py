"""Long actions: one at a time, seen while they run, and ended with a sentence."""

from __future__ import annotations

import threading
import time

import pytest

from webui.core.errors import Conflict, DarkroomError, NotFound
from webui.extension_life.task import Task
from webui.extension_life.works import Work, Works


def ended(work: Work) -> Work:
    until = time.monotonic() + 10
    while work.state == "running" and time.monotonic() < until:
        time.sleep(0.005)
    return work


def test_one_runs_at_a_time_and_can_be_stopped() -> None:
    works, goes_on = Works(), threading.Event()

    def do(task: Task) -> str:
        task.say("half way")
        goes_on.set()
        while True:
            task.check()
            time.sleep(0.001)

    work = works.start("look", "x" * 500, do)
    assert goes_on.wait(10)
    assert works.get(work.id).to_json() | {"id": "", "started": 0, "about": ""} == {
        "id": "", "what": "look", "about": "", "state": "running", "words": "half way", "started": 0, "ended": None,
        "result": None, "problem": None,
    }  # fmt: skip
    with pytest.raises(Conflict, match="runs already"):
        works.start("look", "", do)
    works.stop(work.id)
    assert ended(work).to_json()["problem"]["type"] == "stopped"
    assert works.running() is None


def test_what_runs_is_stopped_when_the_house_closes() -> None:
    works, goes_on, cleaned = Works(), threading.Event(), threading.Event()

    def do(task: Task) -> None:
        goes_on.set()
        try:
            while True:
                task.check()
                time.sleep(0.001)
        finally:
            cleaned.set()

    works.start("look", "", do)
    assert goes_on.wait(10)
    works.close()
    assert cleaned.is_set() and works.running() is None
    works.close()


def test_results_and_problems_are_kept() -> None:
    works = Works()
    assert ended(works.start("a", "", lambda task: {"x": 1})).to_json()["result"] == {"x": 1}

    def refuse(task: Task) -> None:
        raise DarkroomError("No.")

    def fail(task: Task) -> None:
        raise ValueError("secret")

    assert ended(works.start("a", "", refuse)).to_json()["problem"]["detail"] == "No."
    told = ended(works.start("a", "", fail)).to_json()["problem"]["detail"]
    assert "report" in told and "secret" not in told
    first = works.start("a", "", lambda task: None)
    for _ in range(30):
        ended(first)
        ended(works.start("a", "", lambda task: None))
    with pytest.raises(NotFound):
        works.get(first.id)
