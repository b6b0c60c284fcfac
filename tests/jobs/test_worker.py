"""The worker's main: how it tells what is in its memory."""

from __future__ import annotations

import logging
import queue
import threading
from typing import Any, cast

import pytest

from webui.core.model_memory import HeldModel
from webui.engine.engine import Engine
from webui.jobs.executors import worker
from webui.jobs.executors.base import WorkerStatus
from webui.jobs.executors.process import Link
from webui.jobs.executors.worker import _keep_status
from webui.plugins.manager import Plugins


class Moody:
    """An engine whose device does not answer the first question."""

    def __init__(self) -> None:
        self.asked = threading.Event()

    def describe(self) -> dict[str, Any]:
        if not self.asked.is_set():
            self.asked.set()
            raise RuntimeError("CUDA error: unknown error")
        memory = {
            "free_bytes": 1,
            "total_bytes": 2,
            "held": (HeldModel("m", 3),),
            "last_load": None,
            "besides_bytes": 4,
            "jobs": 0,
        }
        return {"device": "cuda:0", "device_type": "cuda", "detail": "m loaded", **memory}


class Heard:
    """The web process: keeps what it is told."""

    def __init__(self) -> None:
        self.told: queue.Queue[WorkerStatus] = queue.Queue()

    def status(self, status: WorkerStatus) -> None:
        self.told.put(status)


def test_a_device_that_once_does_not_answer_is_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    heard, engine, news = Heard(), Moody(), threading.Event()
    arguments = cast(Link, heard), cast(Engine, engine), Plugins(), news
    with caplog.at_level(logging.ERROR):
        threading.Thread(target=_keep_status, args=arguments, daemon=True).start()
        news.set()
        assert engine.asked.wait(10)
        news.set()
        assert heard.told.get(timeout=10).holds("m")
    assert "CUDA error" in caplog.text


@pytest.mark.parametrize(("jobs", "besides"), [(0, 4), (1, 100)])
def test_what_pictures_took_is_given_back_once_there_is_no_job(
    jobs: int, besides: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard, engine, news = Heard(), Moody(), threading.Event()
    engine.asked.set()
    taken = [100]

    def describe() -> dict[str, Any]:
        return Moody.describe(engine) | {"jobs": jobs, "besides_bytes": taken[0]}

    def give_back() -> bool:
        taken[0] = 4
        return True

    monkeypatch.setattr(engine, "describe", describe)
    monkeypatch.setattr(worker, "give_back", give_back)
    arguments = cast(Link, heard), cast(Engine, engine), Plugins(), news
    threading.Thread(target=_keep_status, args=arguments, daemon=True).start()
    news.set()
    assert heard.told.get(timeout=10).besides == besides
