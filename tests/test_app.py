"""The composition root: whatever goes wrong with one part, the others are closed."""

from __future__ import annotations

import asyncio

import pytest

from webui.app import House, compose, local_workers
from webui.core.errors import StorageProblem
from webui.engine.config import EngineConfig, one_each
from webui.jobs.executors.fake import FakeExecutor


def test_a_dead_line_is_logged_and_the_worker_and_the_queue_are_closed_all_the_same(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    closed: list[str] = []

    async def dies(only: object) -> None:
        raise KeyError("unforeseen")

    async def close() -> None:
        closed.append("executor")

    async def visit() -> None:
        async with house.running():
            await asyncio.sleep(0.01)

    monkeypatch.setattr(house.scheduler, "run", dies)
    monkeypatch.setattr(house.executors[0], "close", close)
    with pytest.raises(KeyError):
        asyncio.run(visit())
    assert closed == ["executor"]
    with pytest.raises(StorageProblem):
        house.queue.list()
    assert "until Darkroom is started again" in caplog.text


def test_workers_are_told_apart_when_there_are_several() -> None:
    def names(*devices: str) -> list[str]:
        return [worker.status().device for worker in local_workers(one_each(EngineConfig(), devices))]

    assert names("auto") == [""], "one is called what it calls itself"
    assert names("cuda:0", "cpu", "cpu") == ["cuda:0", "cpu (1)", "cpu (2)"]


def test_every_worker_is_closed_though_one_cannot_be(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[int] = []
    executors = [FakeExecutor() for _ in range(3)]
    several = compose(house.paths, house.settings, executors)

    def closing(number: int) -> object:
        async def close() -> None:
            closed.append(number)
            if number == 0:
                raise OSError("It does not close.")

        return close

    for number, executor in enumerate(executors):
        monkeypatch.setattr(executor, "close", closing(number))

    async def visit() -> None:
        async with several.running():
            await asyncio.sleep(0.01)

    with pytest.raises(OSError, match="does not close"):
        asyncio.run(visit())
    assert sorted(closed) == [0, 1, 2]
