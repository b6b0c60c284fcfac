"""The scheduler with the fake executor: every verb, every end, order, company and fairness."""

from __future__ import annotations

import asyncio
import io
import random
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.jobs.helpers import QUICK, House, MakeJob, Watched, at_step, running_house, with_loop
from webui.core.errors import BadNumbers, Conflict, NotFound
from webui.core.events import (
    Cancelled,
    Event,
    Failed,
    Finished,
    ImageReady,
    Loading,
    Output,
    PreviewReady,
    Queued,
    Step,
)
from webui.core.job import Job, State
from webui.images import metadata
from webui.jobs.executors.base import Controls
from webui.jobs.executors.fake import FakeExecutor, Fault, paint
from webui.jobs.queue import Line, Queue


def kinds(events: list[Event]) -> list[str]:
    """Names of the events without previews; repeats of a passing kind left out."""
    names = [event.name for event in events if not isinstance(event, PreviewReady)]
    return [name for n, name in enumerate(names) if n == 0 or names[n - 1] != name or name == "image"]


@with_loop
async def test_a_job_becomes_pictures_rows_and_events_in_this_order(tmp_path: Path, make_job: MakeJob) -> None:
    async with running_house(tmp_path, FakeExecutor(QUICK)) as house:
        job = make_job(n_iter=2, batch_size=2, prompt="a blue square")
        house.submit(job)
        end = await house.end(job.id)
        events = house.events[job.id]
        assert kinds(events) == ["queued", "loading", "step", "image", "image", "step", "image", "image", "finished"]
        assert [e.index for e in events if isinstance(e, ImageReady)] == [0, 1, 2, 3]
        assert isinstance(end, Finished) and (end.pictures, end.interrupted) == (4, False)
        assert set(end.timings) == {"queued", "loaded", "encoded", "denoised", "decoded", "saved"}
        ended = house.queue.get(job.id)
        assert (ended.state, ended.timings) == (State.DONE, end.timings)
        assert house.files() == sorted(picture.path for picture in ended.pictures)
        for picture in ended.pictures:
            path = house.store.path(picture.path)
            with Image.open(path) as image:
                assert image.convert("RGB").tobytes() == paint(job.request, picture.index).tobytes()
            assert metadata.read(path).request == job.request.to_json()
            assert metadata.read(path).infotext == picture.infotext
        # Time left is unknown before the first step was measured, and falls to nothing.
        left = [e.seconds_left for e in events if isinstance(e, Step)]
        assert left[0] is None and left[-1] == 0 and left[1] is not None and left[1] > left[-2] > 0


@with_loop
async def test_interrupt_finishes_the_picture_and_ends(tmp_path: Path, make_job: MakeJob) -> None:
    async with running_house(tmp_path, FakeExecutor(QUICK)) as house:
        job = make_job(n_iter=3, steps=10)
        house.submit(job)
        await house.until(job.id, at_step(1, 2))
        house.scheduler.interrupt(job.id)
        end = await house.end(job.id)
        assert isinstance(end, Finished) and (end.pictures, end.interrupted) == (1, True)
        ended = house.queue.get(job.id)
        assert ended.interrupted and [p.stopped_at for p in ended.pictures] == [None]
        # As soon as it is asked to end, the time left counts this picture's steps only.
        left = [e.seconds_left or 0.0 for e in house.events[job.id] if isinstance(e, Step)]
        assert left[-1] == 0 and left[-2] < max(left) / 2
    assert [p.name for p in (tmp_path / "outputs").rglob(".*.reserved")] == [], "unused numbers are free again"


@with_loop
async def test_an_interrupt_that_left_nothing_out_is_no_interruption(tmp_path: Path, make_job: MakeJob) -> None:
    async with running_house(tmp_path, FakeExecutor(QUICK)) as house:
        job = make_job(steps=20)
        house.submit(job)
        await house.until(job.id, at_step(1, 2))
        house.scheduler.interrupt(job.id)
        end = await house.end(job.id)
        assert isinstance(end, Finished) and (end.pictures, end.interrupted) == (1, False)
        assert not house.queue.get(job.id).interrupted


@pytest.mark.parametrize("setting", [True, False])
@with_loop
async def test_interrupt_that_stops_at_this_step(tmp_path: Path, make_job: MakeJob, setting: bool) -> None:
    """Pressed twice, or once with the setting off: the picture is kept as far as it got."""
    async with running_house(tmp_path, FakeExecutor(0.01)) as house:
        house.settings.update({"interrupt_after_current": setting})
        job = make_job(n_iter=3, steps=50)
        house.submit(job)
        await house.until(job.id, at_step(1, 2))
        for _ in range(2 if setting else 1):
            house.scheduler.interrupt(job.id)
        end = await house.end(job.id)
        assert isinstance(end, Finished) and (end.pictures, end.interrupted) == (1, True)
        (picture,) = house.queue.get(job.id).pictures
        assert picture.stopped_at is not None and 2 <= picture.stopped_at < 10


@with_loop
async def test_skip_ends_the_picture_and_goes_on(tmp_path: Path, make_job: MakeJob) -> None:
    async with running_house(tmp_path, FakeExecutor(QUICK)) as house:
        job = make_job(n_iter=3, steps=20)
        house.submit(job)
        await house.until(job.id, at_step(2, 3))
        house.scheduler.skip(job.id)
        end = await house.end(job.id)
        assert isinstance(end, Finished) and (end.pictures, end.interrupted) == (3, False)
        stops = [p.stopped_at for p in house.queue.get(job.id).pictures]
        assert stops[0] is None and stops[2] is None and stops[1] is not None and stops[1] < 20


@with_loop
async def test_cancel_abandons_a_running_job_and_keeps_what_was_saved(tmp_path: Path, make_job: MakeJob) -> None:
    async with running_house(tmp_path, FakeExecutor(QUICK)) as house:
        job = make_job(n_iter=5, steps=5)
        house.submit(job)
        await house.until(job.id, lambda event: isinstance(event, ImageReady))
        house.scheduler.cancel(job.id)
        assert await house.end(job.id) == Cancelled()
        ended = house.queue.get(job.id)
        assert ended.state is State.CANCELLED and 1 <= len(ended.pictures) < 5
        assert house.files() == [p.path for p in ended.pictures]
        with pytest.raises(Conflict):
            house.scheduler.cancel(job.id)
        with pytest.raises(Conflict):
            house.scheduler.interrupt(job.id)


@with_loop
async def test_a_job_cancelled_in_the_moment_it_is_admitted_ends(tmp_path: Path, make_job: MakeJob) -> None:
    async with running_house(tmp_path, FakeExecutor(QUICK)) as house:
        for _ in range(5):
            job = make_job(steps=100)
            house.submit(job)
            while house.queue.get(job.id).state is State.QUEUED:
                await asyncio.sleep(0)
            house.scheduler.cancel(job.id)
            assert await house.end(job.id) == Cancelled()


@with_loop
async def test_a_waiting_job_leaves_the_line_by_cancel_or_interrupt(tmp_path: Path, make_job: MakeJob) -> None:
    async with running_house(tmp_path, FakeExecutor(QUICK)) as house:
        house.scheduler.pause()
        first, second, third = jobs = [make_job() for _ in range(3)]
        house.submit(*jobs)
        await asyncio.sleep(0.01)
        house.scheduler.cancel(first.id)
        house.scheduler.interrupt(second.id)
        with pytest.raises(Conflict):
            house.scheduler.skip(third.id)
        assert house.events[first.id][-1] == house.events[second.id][-1] == Cancelled()
        await house.until(third.id, lambda event: event == Queued(0))
        assert house.events[third.id] == [Queued(2), Queued(0)], "those behind move up and are told"
        house.scheduler.resume()
        assert isinstance(await house.end(third.id), Finished)
        assert house.queue.get(first.id).state is State.CANCELLED
        with pytest.raises(NotFound):
            house.scheduler.cancel("nothing")


@with_loop
async def test_a_line_that_takes_long_to_tell_is_told_seldom_and_right_in_the_end(
    tmp_path: Path, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []

    def slowly(queue: Queue, line: Callable[[Queue], Line] = Queue.line) -> Line:
        told.append(1)
        time.sleep(0.02)
        return line(queue)

    async with running_house(tmp_path, FakeExecutor(QUICK)) as house:
        house.scheduler.pause()
        jobs = [make_job() for _ in range(20)]
        house.submit(*jobs)
        await asyncio.sleep(0.01)
        monkeypatch.setattr(Queue, "line", slowly)
        for job in jobs[:-1]:
            house.scheduler.cancel(job.id)
            await asyncio.sleep(0.001)
        await house.until(jobs[-1].id, lambda event: event == Queued(0))
        assert len(told) < 5, "not at each of the 19 changes"


@with_loop
async def test_pause_is_kept_over_a_restart(tmp_path: Path, make_job: MakeJob) -> None:
    async with running_house(tmp_path, FakeExecutor(QUICK)) as house:
        house.scheduler.pause()
    async with running_house(tmp_path, FakeExecutor(QUICK)) as house:
        job = make_job()
        house.submit(job)
        await asyncio.sleep(0.05)
        assert house.queue.get(job.id).state is State.QUEUED
        house.scheduler.resume()
        assert isinstance(await house.end(job.id), Finished)


@with_loop
async def test_previews_are_made_only_while_somebody_follows(tmp_path: Path, make_job: MakeJob) -> None:
    async with running_house(tmp_path, FakeExecutor(0.01)) as house:
        alone, watched, unwanted = make_job(steps=10), make_job(steps=30), make_job(steps=10)
        house.submit(alone)
        while not house.queue.get(alone.id).state.ended:
            await asyncio.sleep(0.02)
        assert not any(isinstance(event, PreviewReady) for event in house.events[alone.id])
        house.submit(watched)
        first = await house.until(watched.id, lambda event: isinstance(event, PreviewReady))
        data = house.scheduler.preview(watched.id)
        assert data is not None and Image.open(io.BytesIO(data)).format == "JPEG"
        await house.end(watched.id)
        versions = [event.version for event in house.events[watched.id] if isinstance(event, PreviewReady)]
        assert versions == sorted(set(versions)) and first.version in versions  # type: ignore[union-attr]
        house.settings.update({"live_previews_enable": False})
        house.submit(unwanted)
        await house.end(unwanted.id)
        assert not any(isinstance(event, PreviewReady) for event in house.events[unwanted.id])
        assert house.scheduler.preview(watched.id) is None


@with_loop
async def test_a_failure_ends_its_job_only(tmp_path: Path, make_job: MakeJob) -> None:
    error = BadNumbers("The numbers were not numbers.", remedies=["Use fp32"])
    async with running_house(tmp_path, FakeExecutor(QUICK, fault=Fault(2, error, "poison"))) as house:
        good, bad = make_job(), make_job(prompt="poison")
        house.submit(bad, good)
        assert await house.end(bad.id) == Failed(error.problem())
        assert isinstance(await house.end(good.id), Finished)
        assert house.queue.get(bad.id).problem == error.problem()


@with_loop
async def test_several_jobs_run_at_once_and_not_more_than_there_is_room(tmp_path: Path, make_job: MakeJob) -> None:
    executor = Watched(QUICK, capacity=3)
    async with running_house(tmp_path, executor) as house:
        jobs = [make_job() for _ in range(9)]
        house.submit(*jobs)
        for job in jobs:
            await house.end(job.id)
        assert max(len(names) for names in executor.together) == 3


@with_loop
async def test_owners_take_turns_and_the_front_goes_first(tmp_path: Path, make_job: MakeJob) -> None:
    executor = Watched(0.0, capacity=1)
    async with running_house(tmp_path, executor) as house:
        house.scheduler.pause()
        jobs = [make_job("ann", f"a{n}") for n in range(4)] + [make_job("bob", f"b{n}") for n in range(2)]
        house.submit(*jobs)
        house.queue.front("a3")
        house.scheduler.resume()
        for job in jobs:
            await house.end(job.id)
        assert executor.order == ["a3", "b0", "a0", "b1", "a1", "a2"]


@with_loop
async def test_a_loaded_model_is_preferred_but_nobody_starves(tmp_path: Path, make_job: MakeJob) -> None:
    executor = Watched(0.0, capacity=1)
    async with running_house(tmp_path, executor) as house:
        house.scheduler.pause()
        names = ["x0", "y0", *(f"x{n}" for n in range(1, 16))]
        jobs = [make_job("ann", name, checkpoint=name[0]) for name in names]
        house.submit(*jobs)
        house.scheduler.resume()
        for job in jobs:
            await house.end(job.id)
        place = executor.order.index("y0")
        assert executor.order[:2] == ["x0", "x1"], "the model in memory first"
        assert place == 9, "after eight were let past, the head of the line is taken"


@with_loop
async def test_hooks_hear_of_every_end(tmp_path: Path, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[tuple[str, State]] = []
    async with running_house(tmp_path, FakeExecutor(QUICK, fault=Fault(1, BadNumbers("No."), "bad"))) as house:
        plugins = house.scheduler._parts.plugins
        monkeypatch.setattr(plugins, "observe", lambda hook, job: heard.append((hook, job.state)))
        house.submit(make_job(id="good"), make_job(id="bad", prompt="bad"))
        await house.end("good")
        await house.end("bad")
        house.scheduler.pause()
        house.submit(make_job(id="waiting"))
        house.scheduler.cancel("waiting")
    assert sorted(heard) == [
        ("job_finished", State.CANCELLED),
        ("job_finished", State.DONE),
        ("job_finished", State.FAILED),
    ]


@with_loop
async def test_an_executor_that_breaks_its_word_fails_the_job(tmp_path: Path, make_job: MakeJob) -> None:
    class Silent(FakeExecutor):
        async def run(self, job: Job, controls: Controls, done: frozenset[int]) -> AsyncGenerator[Output, None]:
            yield Loading("nothing")
            if job.request.prompt == "raise":
                raise KeyError("nobody foresaw this")

    async with running_house(tmp_path, Silent()) as house:
        house.submit(make_job(id="silent"), make_job(id="raises", prompt="raise"))
        for name in ("silent", "raises"):
            end = await house.end(name)
            assert isinstance(end, Failed) and end.problem.detail
        assert "KeyError" in house.queue.get("raises").problem.detail  # type: ignore[union-attr]


def count(house: House, kind: type[Event]) -> int:
    """How many events of a kind were published in all."""
    return sum(isinstance(event, kind) for events in house.events.values() for event in events)


@with_loop
async def test_verbs_at_random_moments_leave_every_job_with_one_end(tmp_path: Path, make_job: MakeJob) -> None:
    draw = random.Random(7)
    async with running_house(tmp_path, FakeExecutor(0.001, capacity=3, fault=Fault(2, times=3))) as house:
        jobs = [make_job(draw.choice(["ann", "bob"]), n_iter=draw.randint(1, 3)) for _ in range(30)]
        for job in jobs:
            house.submit(job)
            verb = draw.choice([house.scheduler.cancel, house.scheduler.interrupt, house.scheduler.skip, None])
            await asyncio.sleep(draw.random() * 0.01)
            try:
                if verb:
                    verb(draw.choice(jobs).id)
            except (Conflict, NotFound):
                continue
        for job in jobs:
            await house.end(job.id)
        assert count(house, Finished) + count(house, Failed) + count(house, Cancelled) == 30
        rows = house.queue.list()
        assert all(row.state.ended for row in rows)
        assert house.files() == sorted(picture.path for row in rows for picture in row.pictures)
