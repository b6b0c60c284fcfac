"""Models and the line: who goes first for a loaded one, and when models leave an idle worker's memory."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.jobs.helpers import QUICK, MakeJob, Watched, at_step, running_house, with_loop
from webui.core.events import Queued
from webui.core.model_memory import Unloaded
from webui.jobs import idle
from webui.jobs.executors.fake import FakeExecutor
from webui.jobs.fleet import GOES_FIRST, WAS_PASSED, Fleet


@with_loop
async def test_who_goes_first_and_who_is_passed_is_told_why(tmp_path: Path, make_job: MakeJob) -> None:
    executor = Watched(QUICK, capacity=1)
    async with running_house(tmp_path, executor) as house:
        house.scheduler.pause()
        jobs = [make_job("ann", name, checkpoint=name[0]) for name in ("x0", "y0", "x1")]
        house.submit(*jobs)
        house.scheduler.resume()
        for job in jobs:
            await house.end(job.id)
        assert executor.order == ["x0", "x1", "y0"]
        reasons = {job.id: [e.reason for e in house.events[job.id] if isinstance(e, Queued)] for job in jobs}
        assert reasons["x1"][-1] == GOES_FIRST and set(reasons["x1"][:-1]) == {""}
        assert reasons["y0"][-1] == WAS_PASSED, "kept while its place changes"
        assert set(reasons["x0"]) == {""}


@with_loop
async def test_models_of_an_idle_worker_leave_and_come_back_with_the_next_job(
    tmp_path: Path, make_job: MakeJob
) -> None:
    executor = Watched(QUICK)
    async with running_house(tmp_path, executor) as house:
        house.submit(make_job("ann", "first", checkpoint="x"))
        await house.end("first")
        await asyncio.sleep(0.1)
        assert executor.status().holds("x"), "by default nothing leaves"
        house.settings.update({"unload_after_minutes": 0.1 / 60})
        house.scheduler.wake()
        while executor.status().models:
            await asyncio.sleep(0.01)
        for name in ("second", "third"):
            house.submit(make_job("ann", name, checkpoint="x"))
            await house.end(name)
        assert executor.loads == ["x", "x"], "a job that comes sooner finds it still there"
        while executor.status().models:
            await asyncio.sleep(0.01)


@with_loop
async def test_a_job_that_runs_longer_than_that_keeps_its_model(tmp_path: Path, make_job: MakeJob) -> None:
    executor = Watched(0.02)
    async with running_house(tmp_path, executor) as house:
        house.settings.update({"unload_after_minutes": 0.05 / 60})
        unloads = 0

        async def count() -> Unloaded:
            nonlocal unloads
            unloads += 1
            return await FakeExecutor.unload(executor)

        executor.unload = count  # type: ignore[method-assign]
        house.submit(make_job("ann", "long", checkpoint="x", steps=20))
        await house.until("long", at_step(1, 1))
        before = unloads
        await house.end("long")
        assert unloads == before
        while unloads == before:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        assert unloads == before + 1, "once for each time that it is idle"


def test_a_fresh_process_is_idle_from_its_start_on_and_one_that_is_not_ready_never() -> None:
    now = 0.0
    executor = FakeExecutor(QUICK)
    (worker,) = Fleet([executor], clock=lambda: now).workers
    executor.become("starting")
    assert idle.due([worker], 10.0, 100.0) == [] and idle.patience([worker], 10.0, 100.0) is None
    now = 100.0
    executor.become("ready")
    assert idle.patience([worker], 10.0, 104.0) == 6.0
    assert idle.due([worker], 10.0, 110.0) == [worker] and idle.due([worker], 10.0, 111.0) == []
    executor.become("restarting")
    now = 200.0
    executor.become("ready")
    assert idle.due([worker], 10.0, 205.0) == [] and idle.due([worker], 10.0, 210.0) == [worker]
