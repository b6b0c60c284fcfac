"""One run of one job: from the executor's outputs to saved pictures, rows and events."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import TypeVar

from webui.core.errors import Conflict, DarkroomError, Problem, StorageProblem, TransientStorageProblem, WorkerProblem
from webui.core.events import (
    Failed,
    Finished,
    ImageReady,
    Loading,
    Note,
    Output,
    Picture,
    Preview,
    PreviewReady,
    Progress,
    Queued,
    Step,
)
from webui.core.job import Job, State
from webui.jobs.ending import Ended, Outcome, Parts, aftermath, conclude, unbroken
from webui.jobs.eta import Estimate, ShareEstimate
from webui.jobs.executors.base import Controls, NoWorker, WorkerDied
from webui.jobs.fleet import Worker
from webui.jobs.history import image_event

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 3
_RETRY_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0)

T = TypeVar("T")


class Runner:
    """Runs a started job on a worker. Belongs to the event loop's thread; `run` goes into a task of its own."""

    def __init__(self, parts: Parts, job: Job, worker: Worker, versions: itertools.count[int]) -> None:
        self.job = job
        self.worker = worker
        self.preview: bytes | None = None
        self.storage_failed = False
        self.waits_for_disk = False
        self._parts = parts
        self._versions = versions
        self._controls = Controls()
        self._estimate = Estimate(job.request, worker.history)
        self._share = ShareEstimate()
        self._paths: dict[int, str] = {}
        self._saving_seconds = 0.0
        self._task: asyncio.Task[None] | None = None
        # Interrupted in an earlier run: it ends after the picture that was being made then, as soon as that has begun.
        self._presses = int(job.interrupted)
        self._must_interrupt = job.interrupted
        self._abandoned = False
        self._stops = False
        self._begun = False
        self._ending = False
        self._leaving = asyncio.Event()
        self._stopped = asyncio.Event()

    def start(self) -> asyncio.Task[None]:
        """Begin; the task ends when the job has ended or waits again."""
        self._task = asyncio.create_task(self._run(), name=f"job {self.job.id}")
        return self._task

    @property
    def over(self) -> bool:
        """Whether this run is over; the job has ended or waits again."""
        return self._task is not None and self._task.done()

    # What may be asked of it

    def interrupt(self) -> None:
        """Finish the current picture, then end; asked again (or at once, by a setting): end at this step."""
        if not self.job.request.pictures:
            self.abandon()
            return
        self._parts.queue.mark_interrupted(self.job.id)
        self._presses += 1
        if self._presses == 1 and self._parts.settings.current.interrupt_after_current:
            self._controls.interrupt()
        else:
            self._controls.stop_now()

    def skip(self) -> None:
        """End the current batch at this step. Raises Conflict for a job without pictures."""
        if not self.job.request.pictures:
            raise Conflict("This job makes no pictures, so there is none to skip.")
        self._controls.skip()

    def abandon(self) -> None:
        """Cancel the job. Raises Conflict when it is just ending.

        A work is told to stop, and ends when it has taken away what it had begun, or is done all the same; asked again
        it is left to itself.
        """
        if self._ending:
            raise Conflict("This job has just ended.")
        if self._begun and not self.job.request.pictures and not self._stops:
            self._stops = True
            try:
                self._parts.queue.mark_interrupted(self.job.id)
            except StorageProblem as problem:
                # A work may be what fills the disk, and is stopped all the same.
                log.warning("That job %s was stopped is not recorded: %s", self.job.id, problem.detail)
            self._controls.stop_now()
            return
        self._abandoned = True
        self._stopped.set()
        self._cancel()

    def leave(self) -> asyncio.Task[None] | None:
        """The program stops: the job waits again, for the next start; a work that was stopped ends. Either is soon."""
        self._leaving.set()
        self._stopped.set()
        self._cancel()
        return self._task

    def _cancel(self) -> None:
        # A task that is cancelled before its first step never runs at all, and could not end its job. One that is
        # writing its end is done soon.
        if self._task is not None and self._begun and not self._ending:
            self._task.cancel()

    # The run

    async def _run(self) -> None:
        self._begun = True
        try:
            if self._stopped.is_set():
                raise asyncio.CancelledError
            outcome = await self._outcome()
        except asyncio.CancelledError:
            if not (self._abandoned or self._stops):
                self._wait_for_next_start()
                raise
            outcome = Outcome(State.CANCELLED)
        if outcome is not None:
            self._ending = True
            await unbroken(self._end(outcome))

    async def _outcome(self) -> Outcome | None:
        """How the job came out, or None when it waits again."""
        if self.job.interrupted and not self.job.request.pictures:
            # A work that was stopped in an earlier run has nothing to keep, unlike pictures.
            return Outcome(State.CANCELLED)
        try:
            try:
                return await self._attempt()
            except WorkerDied as death:
                return await self._after_death(death)
            except NoWorker:
                if not self._parts.fleets.of(self.job).works:
                    raise
                # Admitted while it was starting still; the line gives the job to another worker.
                detail = self.worker.status.detail
                return await self._after_death(WorkerDied(ran=False, taken=False, detail=detail))
        except DarkroomError as error:
            self.storage_failed = isinstance(error, StorageProblem)
            return Outcome(State.FAILED, error.problem())
        except Exception as error:
            log.exception("Job %s failed in a way nobody foresaw", self.job.id)
            detail = f"An error nobody foresaw: {type(error).__name__}. The log has the details."
            return Outcome(State.FAILED, Problem("error", "Something went wrong", detail))

    async def _attempt(self) -> Outcome:
        await unbroken(self._reserve())
        done = self._parts.queue.done(self.job.id)
        if self.job.request.pictures and len(done) == self.job.request.pictures:
            return Outcome(State.DONE)
        self._want_previews()
        async with aclosing(self.worker.executor.run(self.job, self._controls, done)) as outputs:
            async for output in outputs:
                outcome = await self._take(output)
                if outcome is not None:
                    return outcome
        raise WorkerProblem("The worker left this job without a result.")

    async def _reserve(self) -> None:
        queue, job = self._parts.queue, self.job
        self._paths = queue.reserved(job.id)
        missing = sorted(set(range(job.request.pictures)) - queue.done(job.id) - set(self._paths))
        if not missing:
            return
        seeds = [job.request.seed_of(index) for index in missing]
        paths = await self._when_there_is_room(lambda: self._parts.store.reserve(job.task, seeds, job.created))
        rows = list(zip(missing, seeds, paths, strict=True))
        await self._persist(lambda: queue.reserve(job.id, rows))
        self._paths |= dict(zip(missing, paths, strict=True))

    async def _take(self, output: Output) -> Outcome | None:
        match output:
            case Picture():
                await unbroken(self._keep(output))
            case Preview():
                self.preview = output.data
                self._publish(PreviewReady(next(self._versions)))
            case Step():
                left = self._estimate.seconds_left(output, time.monotonic(), ending=self._presses > 0)
                self._publish(replace(output, seconds_left=left))
                self._want_previews()
                if self._must_interrupt:
                    self._must_interrupt = False
                    self._controls.interrupt()
            case Progress():
                self._publish(replace(output, seconds_left=self._share.seconds_left(output, time.monotonic())))
            case Loading() | Note():
                self._publish(output)
            case Finished():
                return await self._finished(output)
            case Failed():
                return Outcome(State.FAILED, output.problem)
        return None

    async def _finished(self, output: Finished) -> Outcome:
        if self.job.request.pictures:
            return Outcome(State.DONE, interrupted=output.interrupted, timings=output.timings)
        if output.interrupted:
            return Outcome(State.CANCELLED, timings=output.timings)
        # The model is there: from here on nobody can take its end away. Whoever hears of that finds it in the lists.
        self._ending = True
        try:
            # Words are in no list of models.
            if output.result is None or not output.result.text:
                await asyncio.to_thread(self._parts.made)
        except DarkroomError as error:
            log.warning("The lists of models were not made anew: %s", error.detail)
        return Outcome(State.DONE, timings=output.timings, result=output.result)

    async def _keep(self, picture: Picture) -> None:
        begun = time.perf_counter()
        await self._when_there_is_room(lambda: self._parts.store.save(self._paths[picture.index], picture.data))
        row = await self._persist(lambda: self._parts.queue.save_picture(self.job.id, picture))
        self._saving_seconds += time.perf_counter() - begun
        self._publish(image_event(row))

    def _want_previews(self) -> None:
        wanted = self._parts.settings.current.live_previews_enable
        self._controls.previews(wanted and self._parts.bus.followed(self.job.id, self.job.owner))

    # The end, or another time

    async def _after_death(self, death: WorkerDied) -> Outcome | None:
        """The outcome, or None when the job waits again.

        Only a job whose lanes were running counts an attempt; one that already runs alone counts every death that
        the worker met with it, since nothing else can have caused it.
        """
        if self._stops:
            return Outcome(State.CANCELLED)
        count = death.ran or (death.taken and self.job.alone)
        attempts = self.job.attempts + count
        alone = self.job.alone or death.taken
        await self._persist(lambda: self._parts.queue.requeue(self.job.id, count=count, alone=alone))
        if attempts < MAX_ATTEMPTS:
            reason = f"{death.detail} The job runs again{', by itself' if alone else ''}."
            self._publish(Queued(self._parts.queue.position(self.job.id), reason))
            return None
        error = WorkerProblem(
            f"The worker stopped {attempts} times with this job, the last time so: {death.detail}",
            remedies=self.job.request.lighter,
        )
        return Outcome(State.FAILED, error.problem())

    def _wait_for_next_start(self) -> None:
        try:
            self._parts.queue.requeue(self.job.id, count=False, alone=False)
        except StorageProblem as problem:
            log.warning("Job %s is put back at the next start: %s", self.job.id, problem.detail)

    async def _end(self, outcome: Outcome) -> None:
        waited = (self.job.started or self.job.created) - self.job.created
        timings = {"queued": waited, **outcome.timings, "saved": self._saving_seconds}
        complete = replace(outcome, timings={stage: round(seconds, 4) for stage, seconds in timings.items()})
        try:
            ended: Ended = await self._persist(lambda: conclude(self._parts, self.job.id, complete))
        except StorageProblem as problem:
            if self._leaving.is_set():
                raise
            # The row says that the job runs, so the next start takes it up again; whoever waits for it now is told.
            log.error("The end of job %s cannot be recorded: %s", self.job.id, problem.detail)
            self._publish(Failed(problem.problem()))
            self.storage_failed = True
            return
        await aftermath(self._parts, ended)

    async def _persist(self, write: Callable[[], T]) -> T:
        """Write to the database, however long its disk is full; only a stop of the program ends the waiting."""

        async def attempt() -> T:
            return write()

        return await self._patiently(attempt, self._leaving)

    async def _when_there_is_room(self, write: Callable[[], T]) -> T:
        """Write to the outputs folder, however long its disk is full; the job's cancellation ends the waiting too."""
        return await self._patiently(lambda: asyncio.to_thread(write), self._stopped)

    async def _patiently(self, attempt: Callable[[], Awaitable[T]], given_up: asyncio.Event) -> T:
        for number in itertools.count():
            try:
                return await attempt()
            except TransientStorageProblem as problem:
                if given_up.is_set():
                    raise
                if number == 0:
                    log.warning("Job %s waits for the disk: %s", self.job.id, problem.detail)
                    self._publish(Note(f"{problem.detail} This job waits, and goes on as soon as there is room."))
                delay = _RETRY_SECONDS[min(number, len(_RETRY_SECONDS) - 1)]
                self.waits_for_disk = True
                with suppress(TimeoutError):
                    await asyncio.wait_for(given_up.wait(), delay)
                self.waits_for_disk = False
        raise AssertionError("itertools.count does not end")

    def _publish(self, event: Queued | Loading | Step | Progress | PreviewReady | Note | ImageReady | Failed) -> None:
        self._parts.bus.publish(self.job.id, self.job.owner, event)
