"""What the tests of the queue's house share: a house with a scheduler, and ways to watch it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any

from webui.core.events import ENDS, Event, Output, Queued, Step
from webui.core.job import Job
from webui.core.job_request import RequestKinds
from webui.core.settings import SettingsStore
from webui.images.store import PictureStore
from webui.jobs.bus import Bus
from webui.jobs.executors.base import Controls, Executor
from webui.jobs.executors.fake import FakeExecutor
from webui.jobs.history import Recall
from webui.jobs.queue import Queue
from webui.jobs.recovery import take_up
from webui.jobs.scheduler import Scheduler
from webui.plugins.manager import Plugins

MakeJob = Callable[..., Job]
QUICK = 0.002
"""Seconds a step of the fake executor."""


def with_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test; on the busiest machine it has four minutes."""

    @wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(asyncio.wait_for(test(*args, **kwargs), 240))

    return run


@dataclass
class House:
    """A queue with everything that works on it. `events` holds what was published, by job, in order."""

    queue: Queue
    bus: Bus
    store: PictureStore
    scheduler: Scheduler
    settings: SettingsStore
    outputs: Path
    events: dict[str, list[Event]] = field(default_factory=dict)

    def submit(self, *jobs: Job) -> None:
        """Accept jobs as the service does."""
        for job in jobs:
            self.queue.put(job)
            self.bus.publish(job.id, job.owner, Queued(self.queue.position(job.id)))
        self.scheduler.wake()

    async def until(self, job_id: str, wanted: Callable[[Event], bool]) -> Event:
        """The first event of the job that is wanted, also one from the past."""
        async for envelope in self.bus.follow(job_id):
            if wanted(envelope.event):
                return envelope.event
        raise AssertionError(f"{job_id} ended without it: {self.events.get(job_id)}")

    async def end(self, job_id: str) -> Event:
        """The job's end."""
        return await self.until(job_id, lambda event: isinstance(event, ENDS))

    def files(self) -> list[str]:
        """Every visible file in the outputs folder, relative to it."""
        found = (path.relative_to(self.outputs) for path in self.outputs.rglob("*") if path.is_file())
        return sorted(path.as_posix() for path in found if not any(part.startswith(".") for part in path.parts))


class RecordingBus(Bus):
    """A bus that notes everything that is published."""

    def __init__(self, queue: Queue, events: dict[str, list[Event]]) -> None:
        super().__init__(Recall(queue))
        self._noted = events

    def publish(self, job_id: str, owner: str, event: Event) -> Any:
        self._noted.setdefault(job_id, []).append(event)
        return super().publish(job_id, owner, event)


@asynccontextmanager
async def running_house(
    folder: Path, *executors: Executor, kinds: RequestKinds | None = None, made: Callable[[], None] = lambda: None
) -> AsyncIterator[House]:
    """A house at work on a folder, with a worker for each executor; leaving it is an orderly stop."""
    queue = Queue(folder / "data" / "darkroom.sqlite3", kinds=kinds)
    events: dict[str, list[Event]] = {}
    bus = RecordingBus(queue, events)
    settings = SettingsStore(folder / "data" / "settings.json")
    store = PictureStore(folder / "outputs", owner=queue.name)
    take_up(queue, store)
    scheduler = Scheduler(queue, bus, executors, store, Plugins(), settings, made)
    for executor in executors:
        await executor.start()
    task = asyncio.create_task(scheduler.run())
    try:
        yield House(queue, bus, store, scheduler, settings, folder / "outputs", events)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        for executor in executors:
            await executor.close()
        queue.close()


def at_step(batch: int, step: int) -> Callable[[Event], bool]:
    """Whether an event says that the job has come so far."""
    return lambda event: isinstance(event, Step) and (event.batch, event.step) >= (batch, step)


class Watched(FakeExecutor):
    """Notes which jobs run, in whose company, and what was loaded for them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.order: list[str] = []
        self.together: list[frozenset[str]] = []
        self.loads: list[str] = []
        """Checkpoints that were not in memory when a job came for them."""
        self._now: set[str] = set()

    async def run(self, job: Job, controls: Controls, done: frozenset[int]) -> AsyncGenerator[Output, None]:
        self.order.append(job.id)
        if not self.status().holds(job.request.checkpoint):
            self.loads.append(job.request.checkpoint)
        self._now.add(job.id)
        self.together.append(frozenset(self._now))
        try:
            async for output in super().run(job, controls, done):
                yield output
        finally:
            self._now.discard(job.id)
