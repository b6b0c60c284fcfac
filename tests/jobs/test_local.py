"""The worker process: its outputs, verbs, deaths and restarts, its log, and that it never outlives its parent."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from tests.jobs import fake_worker
from tests.jobs.helpers import MakeJob, running_house, with_loop
from webui.core.errors import WorkerProblem
from webui.core.events import Failed, Finished, Loading, Note, Output, Picture, Queued, Step
from webui.core.job import Job, State
from webui.core.model_memory import Unloaded
from webui.jobs.executors.base import Controls, WorkerDied
from webui.jobs.executors.local import LocalExecutor

HERE = "tests.jobs.fake_worker"


@asynccontextmanager
async def worker(target: str = "main", **config: float) -> AsyncIterator[LocalExecutor]:
    executor = LocalExecutor(config, f"{HERE}:{target}")
    await executor.start()
    try:
        yield executor
    finally:
        await executor.close()


async def ready(executor: LocalExecutor) -> None:
    while executor.status().state != "ready":
        await asyncio.sleep(0.01)


async def outputs(executor: LocalExecutor, job: Job, controls: Controls | None = None) -> list[Output]:
    return [output async for output in executor.run(job, controls or Controls(), frozenset())]


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@with_loop
async def test_each_change_of_state_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webui.jobs.executors.local._RESTART_SECONDS", (0.01,))
    states: list[str] = []
    async with worker() as executor:
        executor.watch(lambda: states.append(executor.status().state))
        await ready(executor)
        os.kill(executor.pid, signal.SIGKILL)  # type: ignore[arg-type]
        while len(states) < 3:
            await asyncio.sleep(0.01)
    assert states == ["ready", "restarting", "ready"]


@with_loop
async def test_a_job_runs_in_another_process_with_its_verbs(make_job: MakeJob) -> None:
    async with worker(start_seconds=0.2) as executor:
        assert executor.status().state == "starting"
        controls = Controls()
        controls.interrupt()
        job = make_job(steps=5, n_iter=2, alone=True)
        heard = []
        async for output in executor.run(job, controls, frozenset({0})):
            heard.append(output)
            if output == Step(1, 5):
                controls.skip()
                controls.previews(True)
                controls.previews(True)
        assert heard[0] == Loading("The worker starts."), "the page is told why nothing happens yet"
        assert [o for o in heard if isinstance(o, Step)] == [Step(n, 5) for n in range(6)]
        assert [o.text for o in heard if isinstance(o, Note)] == ["interrupt", "skip", "previews_on"]
        (picture,) = [o for o in heard if isinstance(o, Picture)]
        assert (picture.index, picture.infotext) == (1, "alone=True")
        assert heard[-1] == Finished(2)
        status = executor.status()
        assert (status.state, status.device, status.free, status.total) == ("ready", f"Fake {executor.pid}", 1, 2)
        assert executor.pid != os.getpid()


@with_loop
async def test_what_the_worker_logs_and_prints_arrives_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with worker() as executor:
        await ready(executor)
        await asyncio.sleep(0.2)
    said = {(r.name, r.levelname, r.getMessage()) for r in caplog.records}
    assert ("tests.worker", "WARNING", "hello from the log") in said
    console = "webui.jobs.executors.process"
    assert (console, "INFO", "worker: hello from print") in said
    assert (console, "INFO", "worker: hello from a child of mine") in said


@with_loop
async def test_closing_the_generator_cancels_the_job_in_the_worker(make_job: MakeJob) -> None:
    async with worker() as executor:
        job, witness = make_job(steps=100), make_job(id="cancelled", steps=40)
        others = asyncio.create_task(outputs(executor, witness))
        stream = executor.run(job, Controls(), frozenset())
        async for output in stream:
            if isinstance(output, Step) and output.step == 3:
                break
        await stream.aclose()
        assert Note(job.id) in await others


@pytest.mark.parametrize("prompt", ["unpicklable", "unreadable", "oversized"])
@with_loop
async def test_a_message_that_cannot_cross_fails_its_job_only(make_job: MakeJob, prompt: str) -> None:
    async with worker() as executor:
        bad, good = make_job(prompt=prompt), make_job(steps=30)
        others = asyncio.create_task(outputs(executor, good))
        last = (await outputs(executor, bad))[-1]
        assert isinstance(last, Failed) and last.problem.type == "worker" and last.problem.detail
        assert (await others)[-1] == Finished(1)
        assert executor.status().state == "ready"


@with_loop
async def test_garbage_on_the_pipe_is_left_out(make_job: MakeJob) -> None:
    async with worker() as executor:
        assert (await outputs(executor, make_job(prompt="garbage")))[-1] == Finished(1)


@with_loop
async def test_too_long_a_message_costs_the_worker_not_the_web_process(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webui.jobs.executors.process.MAX_BYTES", 2_000_000)
    async with worker() as executor:
        with pytest.raises(WorkerDied, match="line to the worker broke"):
            await outputs(executor, make_job(prompt="floods the pipe"))
        await ready(executor)
        assert (await outputs(executor, make_job()))[-1] == Finished(1)


@with_loop
async def test_a_dead_worker_is_told_with_who_was_running_and_another_one_starts(make_job: MakeJob) -> None:
    async with worker() as executor:
        await ready(executor)
        before = executor.pid
        poison, loading = make_job(prompt="dies", steps=9), make_job(prompt="only loads")
        deaths = await asyncio.gather(outputs(executor, poison), outputs(executor, loading), return_exceptions=True)
        assert all(isinstance(death, WorkerDied) for death in deaths)
        ran, idle = deaths
        assert (ran.ran, idle.ran, idle.taken) == (True, False, False)  # type: ignore[union-attr]
        assert "SIGKILL" in ran.detail  # type: ignore[union-attr]
        assert executor.status().state == "restarting"
        assert (await outputs(executor, make_job()))[-1] == Finished(1)
        assert executor.pid != before


@with_loop
async def test_a_death_with_no_lane_running_makes_all_that_were_taken_suspects(make_job: MakeJob) -> None:
    async with worker() as executor:
        with pytest.raises(WorkerDied) as death:
            await outputs(executor, make_job(prompt="dies while loading"))
        assert (death.value.ran, death.value.taken) == (False, True)


@pytest.mark.parametrize(
    ("target", "sentence"),
    [("dies_at_start", "exit code 7"), ("says_why", "no device called 'cuda:9'"), ("raises", "KeyError")],
)
@with_loop
async def test_a_worker_that_never_gets_ready_fails_jobs_with_the_reason(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch, target: str, sentence: str
) -> None:
    monkeypatch.setattr("webui.jobs.executors.local._RESTART_SECONDS", (0.01,))
    async with worker(target) as executor:
        with pytest.raises(WorkerProblem, match=sentence):
            await outputs(executor, make_job())
        assert executor.status().state == "failed" and sentence in executor.status().detail
        before = time.monotonic()
        with pytest.raises(WorkerProblem):
            await outputs(executor, make_job())
        assert time.monotonic() - before < 5, "a later job is told at once"


@pytest.mark.parametrize(
    ("target", "reason"), [(f"{HERE}:says_why", "no device called"), ("torhc.worker:main", "no module 'torhc'")]
)
@with_loop
async def test_what_the_worker_itself_says_is_told_at_its_first_death(
    tmp_path: Path, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch, target: str, reason: str
) -> None:
    monkeypatch.setattr("webui.jobs.executors.local._RESTART_SECONDS", (600.0,))
    async with running_house(tmp_path, LocalExecutor({}, target)) as house:
        job = make_job()
        house.submit(job)
        end = await house.end(job.id)
        assert isinstance(end, Failed) and reason in end.problem.detail


@with_loop
async def test_a_deaf_worker_is_ended_by_force(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webui.jobs.executors.local._STOP_SECONDS", 0.2)
    async with worker("hangs") as executor:
        await ready(executor)
        pid = executor.pid
    assert pid is not None and gone(pid)


def test_a_worker_dies_with_its_parent() -> None:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    parent = context.Process(target=fake_worker.parent_of_a_worker, args=(there,))
    parent.start()
    parent_pid, worker_pid = here.recv()
    assert not gone(worker_pid)
    os.kill(parent_pid, signal.SIGKILL)
    parent.join()
    deadline = time.monotonic() + 5
    while not gone(worker_pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert gone(worker_pid)


def test_the_web_process_side_imports_no_torch() -> None:
    modules = "webui.jobs.scheduler", "webui.jobs.executors.local", "webui.jobs.executors.fake"
    code = f"import sys, {', '.join(modules)}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@with_loop
async def test_the_scheduler_carries_jobs_over_a_killed_worker(tmp_path: Path, make_job: MakeJob) -> None:
    executor = LocalExecutor({}, f"{HERE}:main")
    async with running_house(tmp_path, executor) as house:
        jobs = [make_job(steps=20) for _ in range(4)]
        house.submit(*jobs)
        for job in jobs:
            await house.until(job.id, lambda event: isinstance(event, Step) and event.step >= 3)
        os.kill(executor.pid, signal.SIGKILL)  # type: ignore[arg-type]
        for job in jobs:
            assert isinstance(await house.end(job.id), Finished)
        rows = [house.queue.get(job.id) for job in jobs]
        assert {(row.state, row.attempts, row.alone) for row in rows} == {(State.DONE, 1, True)}
        assert {picture.infotext for row in rows for picture in row.pictures} == {"alone=True"}
        assert any(isinstance(e, Queued) and "SIGKILL" in e.reason for e in house.events[jobs[0].id])
        assert len(house.files()) == 4


@with_loop
async def test_a_job_that_kills_the_worker_while_it_loads_fails_in_the_end(
    tmp_path: Path, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webui.jobs.executors.local._RESTART_SECONDS", (0.01,))
    async with running_house(tmp_path, LocalExecutor({}, f"{HERE}:main")) as house:
        bad, good = make_job(prompt="dies while loading"), make_job()
        house.submit(bad, good)
        end = await house.end(bad.id)
        assert isinstance(end, Failed) and "SIGKILL" in end.problem.detail
        assert isinstance(await house.end(good.id), Finished)


async def has_come(executor: LocalExecutor, besides: int) -> None:
    """Wait until the status says so."""
    while executor.status().besides != besides and executor.status().state == "ready":
        await asyncio.sleep(0.01)


@with_loop
async def test_a_worker_that_has_grown_twice_in_a_row_is_replaced(make_job: MakeJob) -> None:
    gib = 2**30
    async with worker() as executor:
        await ready(executor)
        for number, kept in enumerate([3 * gib, 6 * gib, 4 * gib, 6 * gib]):
            prompt = f"busy meanwhile, keeps {kept}"
            await outputs(executor, make_job("ann", f"job{number}", prompt=prompt))
            await has_come(executor, kept)
            assert executor.status().state == "ready", "neither what it held in a job nor one reading counts"
        first = executor.pid
        await outputs(executor, make_job("ann", "last", prompt=f"keeps {6 * gib + 1}"))
        while executor.pid == first or executor.status().state != "ready":
            await asyncio.sleep(0.01)


@with_loop
async def test_who_asks_a_worker_to_unload_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webui.jobs.executors.local._UNLOAD_SECONDS", 0.1)
    async with worker() as deaf, worker(tells_of_unloads=True) as hears:
        await ready(deaf)
        await ready(hears)
        assert await hears.unload() == Unloaded(("x",))
        assert await deaf.unload() == Unloaded()


@with_loop
async def test_a_worker_is_renewed_once_it_has_no_job(make_job: MakeJob) -> None:
    async with worker() as executor:
        await ready(executor)
        first = executor.pid
        running = asyncio.create_task(outputs(executor, make_job(steps=10)))
        while not executor._runs:
            await asyncio.sleep(0.01)
        executor.renew(())
        assert executor.room() == 0, "what comes now goes to the fresh one"
        assert executor.pid == first and isinstance((await running)[-1], Finished)
        assert executor.status().state == "restarting"
        await ready(executor)
        assert executor.pid != first and executor.room() > 0
        second = executor.pid
        executor.renew(())
        assert executor.status().state == "restarting", "an idle one goes at once"
        await ready(executor)
        assert executor.pid != second


@with_loop
async def test_a_worker_that_is_to_be_renewed_while_it_starts_takes_jobs_again(make_job: MakeJob) -> None:
    async with worker(start_seconds=0.3) as executor:
        first = executor.pid
        executor.renew(())
        assert executor.status().state == "starting"
        while executor.pid in (first, None) or executor.status().state != "ready":
            await asyncio.sleep(0.01)
        assert executor.room() > 0
        assert isinstance((await outputs(executor, make_job(steps=1)))[-1], Finished)
