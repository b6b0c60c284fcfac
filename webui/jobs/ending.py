"""How a job ends: its row, its event, the paths it leaves unused, its line in the log, the hook."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from webui.core.errors import DarkroomError, Problem, StorageProblem
from webui.core.job import Job, State
from webui.core.model_work import Made
from webui.core.script_request import SCRIPTS
from webui.core.settings import SettingsStore
from webui.images.store import PictureStore
from webui.jobs.bus import Bus
from webui.jobs.fleet import Fleets
from webui.jobs.history import end_event
from webui.jobs.queue import Queue
from webui.plugins.manager import Plugins

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Parts:
    """What the scheduler and its runners work with."""

    queue: Queue
    bus: Bus
    fleets: Fleets
    store: PictureStore
    plugins: Plugins
    settings: SettingsStore
    made: Callable[[], None]
    """Called in a thread when a work has made a model, before its end is told."""
    cancel: Callable[[str], None]
    """Abandons a job by its id. Raises Conflict when it has ended."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job came out; `timings` are seconds by stage."""

    state: State
    problem: Problem | None = None
    interrupted: bool = False
    timings: Mapping[str, float] = field(default_factory=dict)
    result: Made | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """An ended job and the reserved paths that it did not use."""

    job: Job
    unused: tuple[str, ...]


def conclude(parts: Parts, job_id: str, outcome: Outcome) -> Ended:
    """Write the end and tell the followers, in this order. Raises StorageProblem, Conflict when it has ended before."""
    unused = tuple(parts.queue.reserved(job_id).values())
    job = parts.queue.end(job_id, outcome.state, outcome.problem, outcome.timings, outcome.interrupted, outcome.result)
    parts.bus.publish(job.id, job.owner, end_event(job))
    return Ended(job, unused)


async def aftermath(parts: Parts, ended: Ended) -> None:
    """What follows an end and may take its time: unused paths become free, the log gets its line, hooks are told."""
    job = ended.job
    log.info("%s", summary(job))
    for path in ended.unused:
        try:
            await asyncio.to_thread(parts.store.release, path)
        except StorageProblem as problem:
            log.warning("The reserved path %s stays behind: %s", path, problem.detail)
    if job.request.workplace == SCRIPTS and job.state is not State.DONE:
        for child in parts.queue.children(job.id):
            if not child.state.ended:
                try:
                    parts.cancel(child.id)
                except DarkroomError as problem:
                    # It may have ended just now; what the disk refuses is cancelled at the next start.
                    log.info("Job %s of a script was not cancelled: %s", child.id, problem.detail)
    await asyncio.to_thread(parts.plugins.observe, "job_finished", job=job)


def summary(job: Job) -> str:
    """The job in one line for the log, with its timings."""
    stages = ", ".join(f"{stage} {seconds:.2f} s" for stage, seconds in (job.timings or {}).items())
    pictures = f"{len(job.pictures)} of {job.request.pictures} pictures" if job.request.pictures else job.task
    words = [
        f"Job {job.id} {job.state}",
        job.result.name if job.result else pictures,
        stages,
        job.problem.detail if job.problem else "",
    ]
    return ": ".join((words[0], "; ".join(word for word in words[1:] if word)))


async def unbroken(work: Coroutine[Any, Any, T]) -> T:
    """Await `work` to its end even when the caller is cancelled meanwhile; the cancellation is raised afterwards."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is None:
        return task.result()
    if not task.cancelled() and (problem := task.exception()):
        log.warning("While stopping: %s", problem)
    raise cancelled
