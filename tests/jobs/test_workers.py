"""Several workers behind one line: who gets what, verbs, deaths, and workers that fail and come back."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.jobs.helpers import QUICK, MakeJob, Watched, at_step, running_house, with_loop
from webui.core.events import Cancelled, Failed, Finished, PreviewReady, Queued
from webui.core.job import State
from webui.jobs.executors.base import WorkerStatus
from webui.jobs.executors.fake import FakeExecutor
from webui.jobs.executors.local import LocalExecutor

HERE = "tests.jobs.fake_worker"


@with_loop
async def test_two_checkpoints_settle_one_to_a_worker(tmp_path: Path, make_job: MakeJob) -> None:
    workers = Watched(QUICK, capacity=2), Watched(QUICK, capacity=2)
    async with running_house(tmp_path, *workers) as house:
        jobs = [make_job(checkpoint="xy"[n % 2]) for n in range(24)]
        house.submit(*jobs)
        for job in jobs:
            assert isinstance(await house.end(job.id), Finished)
    loads = workers[0].loads + workers[1].loads
    assert len(workers[0].order) + len(workers[1].order) == 24 and min(len(w.order) for w in workers) >= 6
    assert set(loads) == {"x", "y"} and len(loads) <= 5, "without that, about every second job would load"


@with_loop
async def test_each_worker_has_its_own_room_and_a_job_alone_takes_one_worker_only(
    tmp_path: Path, make_job: MakeJob
) -> None:
    workers = Watched(0.01, capacity=1), Watched(0.01, capacity=2)
    async with running_house(tmp_path, *workers) as house:
        jobs = [make_job(steps=10) for _ in range(3)]
        house.submit(*jobs)
        for job in jobs:
            await house.until(job.id, at_step(1, 1))
        assert [len(worker.jobs) for worker in house.scheduler.workers] == [1, 2]
        await asyncio.gather(*(house.end(job.id) for job in jobs))
        suspect, neighbour = make_job(id="suspect", steps=30), make_job(id="neighbour", steps=10)
        house.scheduler.pause()
        house.submit(suspect, neighbour)
        house.queue.start("suspect")
        house.queue.requeue("suspect", count=False, alone=True)
        house.scheduler.resume()
        await house.until("neighbour", at_step(1, 1))
        assert sorted(sorted(worker.jobs) for worker in house.scheduler.workers) == [["neighbour"], ["suspect"]]
        await asyncio.gather(house.end("suspect"), house.end("neighbour"))


@with_loop
async def test_verbs_and_previews_reach_the_job_wherever_it_runs(tmp_path: Path, make_job: MakeJob) -> None:
    async with running_house(tmp_path, FakeExecutor(0.01, capacity=2), FakeExecutor(0.01, capacity=2)) as house:
        # The first previews are so coarse that seeds alone would not tell them apart.
        verbs = {"none": "red", "skip": "green", "stop": "blue", "cancel": "yellow"}
        jobs = {verb: make_job(id=verb, prompt=colour, steps=60, n_iter=2) for verb, colour in verbs.items()}
        house.submit(*jobs.values())
        for name in jobs:
            await house.until(name, lambda event: isinstance(event, PreviewReady))
        assert [len(worker.jobs) for worker in house.scheduler.workers] == [2, 2]
        assert len({house.scheduler.preview(name) for name in jobs} - {None}) == 4, "each has a preview of its own"
        house.scheduler.skip("skip")
        house.scheduler.interrupt("stop")
        house.scheduler.interrupt("stop")
        house.scheduler.cancel("cancel")
        ends = {name: await house.end(name) for name in jobs}
        stops = {name: [p.stopped_at is None for p in house.queue.get(name).pictures] for name in jobs}
        assert stops == {"none": [True, True], "skip": [False, True], "stop": [False], "cancel": []}
        assert [type(ends[name]) for name in jobs] == [Finished, Finished, Finished, Cancelled]


@with_loop
async def test_a_death_takes_along_the_jobs_of_its_worker_only(tmp_path: Path, make_job: MakeJob) -> None:
    workers = LocalExecutor({}, f"{HERE}:main", label="first"), LocalExecutor({}, f"{HERE}:main", label="second")
    async with running_house(tmp_path, *workers) as house:
        jobs = [make_job(steps=60) for _ in range(4)]
        house.submit(*jobs)
        for job in jobs:
            await house.until(job.id, at_step(1, 3))
        hit, spared = (set(worker.jobs) for worker in house.scheduler.workers)
        assert len(hit) == len(spared) == 2
        assert workers[0].pid != workers[1].pid
        os.kill(workers[0].pid, signal.SIGKILL)  # type: ignore[arg-type]
        for job in jobs:
            assert isinstance(await house.end(job.id), Finished)
        assert {name: house.queue.get(name).attempts for name in hit | spared} == {
            **dict.fromkeys(hit, 1),
            **dict.fromkeys(spared, 0),
        }
        devices = [status.device.partition(",")[0] for status in (worker.status() for worker in workers)]
        assert devices == ["first", "second"]


@with_loop
async def test_jobs_of_a_worker_that_never_starts_go_to_the_other(
    tmp_path: Path, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webui.jobs.executors.local._RESTART_SECONDS", (0.01,))
    workers = LocalExecutor({}, f"{HERE}:says_why"), LocalExecutor({"start_seconds": 0.5}, f"{HERE}:main")
    async with running_house(tmp_path, *workers) as house:
        jobs = [make_job() for _ in range(4)]
        house.submit(*jobs)
        while house.queue.count(State.QUEUED):
            await asyncio.sleep(0.005)
        assert [len(worker.jobs) for worker in house.scheduler.workers] == [2, 2], "both were just starting"
        for job in jobs:
            assert isinstance(await house.end(job.id), Finished)
        assert workers[0].status().state == "failed"
        rows = [house.queue.get(job.id) for job in jobs]
        assert {(row.attempts, row.alone) for row in rows} == {(0, False)}
        reasons = [event.reason for event in house.events[jobs[0].id] if isinstance(event, Queued)]
        assert any("no device called 'cuda:9'" in reason for reason in reasons), "the page is told"


@with_loop
async def test_jobs_fail_when_every_worker_has_failed_and_run_when_one_is_back(
    tmp_path: Path, make_job: MakeJob
) -> None:
    workers = Watched(QUICK, capacity=1), Watched(QUICK, capacity=1)
    async with running_house(tmp_path, *workers) as house:
        workers[0].become("failed", "The first is broken.")
        for _ in range(3):
            job = make_job()
            house.submit(job)
            assert isinstance(await house.end(job.id), Finished)
        assert workers[0].order == [] and len(workers[1].order) == 3
        workers[1].become("failed", "The second is broken.")
        job = make_job()
        house.submit(job)
        end = await house.end(job.id)
        assert isinstance(end, Failed) and "is broken" in end.problem.detail
        workers[0].become("ready")
        job = make_job()
        house.submit(job)
        assert isinstance(await house.end(job.id), Finished)


@with_loop
async def test_a_worker_that_comes_back_takes_up_what_waits_at_once(tmp_path: Path, make_job: MakeJob) -> None:
    workers = Watched(0.02, capacity=1), Watched(QUICK, capacity=1)
    async with running_house(tmp_path, *workers) as house:
        workers[1].become("restarting")
        long, waiting = make_job(steps=150), make_job()
        house.submit(long, waiting)
        await house.until(long.id, at_step(1, 1))
        assert house.queue.get(waiting.id).state is State.QUEUED
        workers[1].become("ready")
        assert isinstance(await house.end(waiting.id), Finished)
        assert house.queue.get(long.id).state is State.RUNNING
        house.scheduler.cancel(long.id)
        await house.end(long.id)


@with_loop
async def test_jobs_are_shared_with_a_worker_that_is_ready_a_moment_later(tmp_path: Path, make_job: MakeJob) -> None:
    workers = FakeExecutor(0.02, capacity=16), FakeExecutor(0.02, capacity=16)
    workers[1].become("starting")
    async with running_house(tmp_path, *workers) as house:
        jobs = [make_job(steps=60) for _ in range(16)]
        house.submit(*jobs)
        await house.until(jobs[7].id, at_step(1, 1))
        workers[1].become("ready")
        await house.until(jobs[15].id, at_step(1, 1))
        assert [len(worker.jobs) for worker in house.scheduler.workers] == [8, 8]
        for job in jobs:
            house.scheduler.cancel(job.id)


@with_loop
async def test_a_worker_that_restarts_for_long_is_not_waited_for(
    tmp_path: Path, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webui.jobs.fleet.RESTART_SECONDS", 0.2)
    workers = FakeExecutor(0.02, capacity=16), FakeExecutor(0.02, capacity=16)
    async with running_house(tmp_path, *workers) as house:
        workers[1].become("restarting")
        jobs = [make_job(steps=150) for _ in range(4)]
        house.submit(*jobs)
        await house.until(jobs[3].id, at_step(1, 1))
        assert [len(worker.jobs) for worker in house.scheduler.workers] == [4, 0]
        for job in jobs:
            house.scheduler.cancel(job.id)


def test_a_pretended_state_is_told_as_it_is() -> None:
    executor = FakeExecutor(device="cuda:1")
    executor.become("restarting", "It was hit.")
    assert executor.status() == WorkerStatus("restarting", "cuda:1", "It was hit.", device_type="cpu")
