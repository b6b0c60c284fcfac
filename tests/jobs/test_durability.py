"""What goes wrong costs nothing that was accepted: deaths of the worker, restarts, crashes, full disks."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.jobs.helpers import QUICK, MakeJob, Watched, at_step, running_house, with_loop
from webui.core.errors import StorageProblem, TransientStorageProblem
from webui.core.events import ENDS, Cancelled, Failed, Finished, ImageReady, Note, Queued
from webui.core.job import Job, State
from webui.core.request import DEVICE
from webui.images import metadata
from webui.jobs.executors.fake import FakeExecutor, Fault
from webui.jobs.queue import Queue
from webui.jobs.scheduler import LOOK_AHEAD


@with_loop
async def test_a_dead_worker_reruns_its_jobs_one_by_one(tmp_path: Path, make_job: MakeJob) -> None:
    executor = Watched(QUICK, capacity=4, fault=Fault(3, prompt="poison", times=1))
    async with running_house(tmp_path, executor) as house:
        jobs = [make_job(prompt="poison", steps=5), *(make_job(steps=5) for _ in range(3))]
        house.submit(*jobs)
        for job in jobs:
            assert isinstance(await house.end(job.id), Finished)
        assert len(executor.order) == 8
        assert executor.together[4:] == [frozenset([name]) for name in executor.order[4:]], "suspects run alone"
        rows = [house.queue.get(job.id) for job in jobs]
        assert {(row.attempts, row.alone) for row in rows} == {(1, True)}
        assert len(house.files()) == 4
        again = [event for event in house.events[jobs[1].id] if isinstance(event, Queued) and event.reason]
        assert "runs again, by itself" in again[0].reason


@with_loop
async def test_a_job_that_always_kills_the_worker_fails_and_takes_nobody_along(
    tmp_path: Path, make_job: MakeJob
) -> None:
    executor = Watched(QUICK, capacity=4, fault=Fault(2, prompt="poison"))
    async with running_house(tmp_path, executor) as house:
        # The good one has many steps, so that it still runs when the bad one first strikes.
        bad, good = make_job(prompt="poison"), make_job(steps=40)
        house.submit(bad, good)
        end = await house.end(bad.id)
        assert isinstance(end, Failed) and end.problem.type == "worker" and "3 times" in end.problem.detail
        assert isinstance(await house.end(good.id), Finished)
        assert executor.order.count(bad.id) == 3
        assert house.queue.get(good.id).attempts == 1
        assert sum(isinstance(event, ENDS) for event in house.events[bad.id]) == 1


@with_loop
async def test_an_orderly_stop_puts_jobs_back_and_the_next_start_makes_only_what_is_missing(
    tmp_path: Path, make_job: MakeJob
) -> None:
    job = make_job(n_iter=3, steps=10)
    async with running_house(tmp_path, FakeExecutor(QUICK)) as house:
        house.submit(job)
        await house.until(job.id, lambda event: isinstance(event, ImageReady))
    first_images = [event for event in house.events[job.id] if isinstance(event, ImageReady)]
    async with running_house(tmp_path, FakeExecutor(QUICK)) as house:
        stream = house.bus.follow_owner("ann", after=12345)
        seen = []
        async for envelope in stream:
            seen.append(envelope.event)
            if isinstance(envelope.event, ENDS):
                break
        images = [event for event in seen if isinstance(event, ImageReady)]
        assert images[: len(first_images)] == first_images, "a follower from before the restart is told of all"
        assert [event.index for event in images] == [0, 1, 2]
        row = house.queue.get(job.id)
        assert (row.state, row.attempts, len(house.files())) == (State.DONE, 0, 3)
        assert "restarted" in next(event for event in seen if isinstance(event, Queued)).reason


@with_loop
async def test_an_interrupted_job_does_not_start_over_after_a_restart(tmp_path: Path, make_job: MakeJob) -> None:
    job = make_job(n_iter=5, steps=30)
    async with running_house(tmp_path, FakeExecutor(0.01)) as house:
        house.submit(job)
        await house.until(job.id, at_step(1, 3))
        house.scheduler.interrupt(job.id)
    async with running_house(tmp_path, FakeExecutor(0.0)) as house:
        end = await house.end(job.id)
        assert isinstance(end, Finished) and (end.pictures, end.interrupted) == (1, True)


@with_loop
async def test_a_crash_between_the_file_and_its_row_leaves_one_picture(tmp_path: Path, make_job: MakeJob) -> None:
    job = make_job(n_iter=2)
    async with running_house(tmp_path, FakeExecutor(QUICK)) as house:
        house.scheduler.pause()
        house.submit(job)
        paths = house.store.reserve(job.task, [job.request.seed_of(n) for n in range(2)], job.created)
        house.queue.start(job.id)
        house.queue.reserve(job.id, [(n, job.request.seed_of(n), path) for n, path in enumerate(paths)])
        house.store.save(paths[0], b"\x89PNG of the run that was killed")
        house.queue.paused = False
    async with running_house(tmp_path, FakeExecutor(QUICK)) as house:
        assert isinstance(await house.end(job.id), Finished)
        assert house.files() == sorted(paths)
        assert metadata.read(house.store.path(paths[0])).request == job.request.to_json()


@with_loop
async def test_a_job_whose_pictures_are_all_there_is_done_without_a_worker(tmp_path: Path, make_job: MakeJob) -> None:
    executor = Watched(QUICK)
    job = make_job()
    async with running_house(tmp_path, executor) as house:
        house.submit(job)
        await house.end(job.id)
        with house.queue._database.transaction() as connection:
            connection.execute("UPDATE jobs SET state = 'running'")
    async with running_house(tmp_path, executor) as house:
        await asyncio.sleep(0.05)
        assert house.queue.get(job.id).state is State.DONE
        assert executor.order == [job.id]


@with_loop
async def test_a_job_that_waits_again_is_not_taken_up_before_its_former_run_is_forgotten(
    tmp_path: Path, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = Watched(QUICK, capacity=4, fault=Fault(2, prompt="unlucky", times=1))
    async with running_house(tmp_path, executor) as house:
        real, chosen = house.queue.requeue, []

        def requeue(job_id: str, *, count: bool, alone: bool) -> Job:
            job = real(job_id, count=count, alone=False)
            # What a round of the scheduler does that falls between the row's change and the end of the run's task.
            chosen.append(house.scheduler._fleets.places[DEVICE].choose(house.scheduler._ahead(DEVICE), waiting=1))
            return job

        monkeypatch.setattr(house.queue, "requeue", requeue)
        job = make_job(prompt="unlucky")
        house.submit(job)
        assert isinstance(await house.end(job.id), Finished)
        assert chosen == [None]
        assert executor.order == [job.id, job.id]


@pytest.mark.parametrize("request_text", ['{"schema": 99, "prompt": "from the future"}', "[]", "no json"])
@with_loop
async def test_a_request_that_cannot_be_read_fails_with_a_sentence_and_holds_nobody_up(
    tmp_path: Path, make_job: MakeJob, request_text: str
) -> None:
    queue = Queue(tmp_path / "data" / "darkroom.sqlite3")
    strange = [make_job() for _ in range(LOOK_AHEAD + 3)]
    for job in strange:
        queue.put(job)
    with queue._database.transaction() as connection:
        connection.execute("UPDATE jobs SET request = ?", (request_text,))
    assert [job.state for job in queue.list()] == [State.QUEUED] * len(strange)
    queue.close()
    async with running_house(tmp_path, FakeExecutor(QUICK)) as house:
        good = make_job()
        house.submit(good)
        assert isinstance(await house.end(good.id), Finished)
        end = await house.end(strange[0].id)
        assert isinstance(end, Failed) and "cannot read the stored request" in end.problem.detail
        assert {job.state for job in house.queue.list(states=[State.FAILED])} == {State.FAILED}
        assert len(house.queue.list(states=[State.FAILED])) == len(strange)
        prompt = "from the future" if "future" in request_text else ""
        assert house.queue.get(strange[0].id).request.prompt == prompt


@with_loop
async def test_an_unforeseen_error_in_a_round_does_not_end_the_line(
    tmp_path: Path, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("webui.jobs.scheduler._DISK_RETRY_SECONDS", 0.05)
    async with running_house(tmp_path, FakeExecutor(QUICK)) as house:
        real = house.queue.line
        errors = [KeyError("unforeseen"), KeyError("unforeseen")]

        def line() -> Any:
            if errors:
                raise errors.pop()
            return real()

        job = make_job()
        house.queue.put(job)
        monkeypatch.setattr(house.queue, "line", line)
        house.scheduler.wake()
        assert isinstance(await house.end(job.id), Finished)
        while errors:
            await asyncio.sleep(0.01)
        another = make_job()
        house.submit(another)
        assert isinstance(await house.end(another.id), Finished)
        assert "nobody foresaw" in caplog.text


class FullDisk:
    """Makes a method raise a `problem` with the disk while `full`."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        owner: object,
        name: str,
        problem: type[StorageProblem] = TransientStorageProblem,
    ) -> None:
        self.full = True
        self.refused = 0
        real = getattr(owner, name)

        def method(*args: Any, **kwargs: Any) -> Any:
            if self.full:
                self.refused += 1
                raise problem("The disk said no.")
            return real(*args, **kwargs)

        monkeypatch.setattr(owner, name, method)


@with_loop
async def test_an_outputs_folder_that_lost_its_rights_fails_the_job_and_holds_the_line(
    tmp_path: Path, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webui.jobs.scheduler._DISK_RETRY_SECONDS", 0.05)
    async with running_house(tmp_path, FakeExecutor(QUICK, capacity=1)) as house:
        disk = FullDisk(monkeypatch, house.store, "save", StorageProblem)
        probe = FullDisk(monkeypatch, house.store, "check_writable", StorageProblem)
        first, second = make_job(), make_job()
        house.submit(first, second)
        end = await house.end(first.id)
        assert isinstance(end, Failed) and end.problem.type == "storage"
        await asyncio.sleep(0.2)
        assert house.queue.get(second.id).state is State.QUEUED, "no further job is sacrificed"
        disk.full = probe.full = False
        assert isinstance(await house.end(second.id), Finished)
        assert len(house.files()) == 1


@pytest.mark.parametrize("method", ["reserve", "save"])
@with_loop
async def test_a_full_outputs_disk_delays_a_job_and_loses_no_picture(
    tmp_path: Path, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setattr("webui.jobs.runner._RETRY_SECONDS", (0.05,))
    executor = Watched(QUICK)
    async with running_house(tmp_path, executor) as house:
        disk = FullDisk(monkeypatch, house.store, method)
        job = make_job(n_iter=2)
        house.submit(job)
        while disk.refused < 3:
            await asyncio.sleep(0.01)
        (note,) = [event for event in house.events[job.id] if isinstance(event, Note)]
        assert "as soon as there is room" in note.text
        disk.full = False
        end = await house.end(job.id)
        assert isinstance(end, Finished) and end.pictures == 2
        assert executor.order == [job.id] and len(house.files()) == 2


@with_loop
async def test_a_job_that_waits_for_room_holds_the_line_and_can_be_cancelled(
    tmp_path: Path, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webui.jobs.scheduler._DISK_RETRY_SECONDS", 0.05)
    monkeypatch.setattr("webui.jobs.runner._RETRY_SECONDS", (60.0,))
    async with running_house(tmp_path, FakeExecutor(QUICK, capacity=2)) as house:
        disk, probe = FullDisk(monkeypatch, house.store, "save"), FullDisk(monkeypatch, house.store, "check_writable")
        first, second = make_job(), make_job()
        house.submit(first)
        await house.until(first.id, lambda event: isinstance(event, Note))
        house.submit(second)
        while not probe.refused:
            await asyncio.sleep(0.01)
        assert house.queue.get(second.id).state is State.QUEUED, "its picture would have no room either"
        house.scheduler.cancel(first.id)
        assert isinstance(await house.end(first.id), Cancelled)
        disk.full = probe.full = False
        house.scheduler.wake()
        assert isinstance(await house.end(second.id), Finished)
        assert len(house.files()) == 1


@pytest.mark.parametrize("method", ["save_picture", "end"])
@with_loop
async def test_a_database_that_is_damaged_in_the_middle_of_a_job_is_said_at_once(
    tmp_path: Path, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    async with running_house(tmp_path, FakeExecutor(QUICK)) as house:
        FullDisk(monkeypatch, house.queue, method, StorageProblem)
        job = make_job()
        house.submit(job)
        end = await house.end(job.id)
        assert isinstance(end, Failed) and end.problem.detail == "The disk said no."
        assert sum(isinstance(event, ENDS) for event in house.events[job.id]) == 1


@pytest.mark.parametrize("method", ["start", "reserve", "save_picture", "end"])
@with_loop
async def test_a_full_database_disk_delays_a_job_and_loses_nothing(
    tmp_path: Path, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setattr("webui.jobs.scheduler._DISK_RETRY_SECONDS", 0.05)
    monkeypatch.setattr("webui.jobs.runner._RETRY_SECONDS", (0.05,))
    async with running_house(tmp_path, FakeExecutor(QUICK)) as house:
        disk = FullDisk(monkeypatch, house.queue, method)
        job = make_job()
        house.submit(job)
        while disk.refused < 3:
            await asyncio.sleep(0.01)
        assert not any(isinstance(event, ENDS) for event in house.events[job.id])
        if method != "start":
            assert sum(isinstance(event, Note) for event in house.events[job.id]) == 1
        disk.full = False
        assert isinstance(await house.end(job.id), Finished)
        assert len(house.files()) == 1


@with_loop
async def test_a_full_database_disk_does_not_keep_the_program_from_stopping(
    tmp_path: Path, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job()
    async with running_house(tmp_path, FakeExecutor(QUICK)) as house:
        disk = FullDisk(monkeypatch, house.queue, "end")
        house.submit(job)
        while not disk.refused:
            await asyncio.sleep(0.01)
    async with running_house(tmp_path, FakeExecutor(QUICK)) as house:
        assert isinstance(await house.end(job.id), Finished)
        assert len(house.files()) == 1
