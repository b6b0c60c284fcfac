"""The composition root: whatever goes wrong with one part, the others are closed."""

from __future__ import annotations

import asyncio

import pytest

from webui.app import House
from webui.core.errors import StorageProblem


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
    monkeypatch.setattr(house.executor, "close", close)
    with pytest.raises(KeyError):
        asyncio.run(visit())
    assert closed == ["executor"]
    with pytest.raises(StorageProblem):
        house.queue.list()
    assert "until Darkroom is started again" in caplog.text
