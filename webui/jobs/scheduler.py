"""The scheduler: admits waiting jobs to workers, and carries to them the verbs that people use on jobs."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import replace
from typing import Any

from webui.core.errors import Conflict, DarkroomError, StorageProblem
from webui.core.events import Queued
from webui.core.job import Job, State
from webui.core.request import DEVICE
from webui.core.settings import SettingsStore
from webui.images.store import PictureStore
from webui.jobs import idle
from webui.jobs.bus import KEPT_ENDED, Bus
from webui.jobs.ending import Ended, Outcome, Parts, aftermath, conclude
from webui.jobs.executors.base import Executor
from webui.jobs.fleet import LOOK_AHEAD, WAS_PASSED, Choice, Fleet, Fleets, Worker
from webui.jobs.history import end_event, events_of
from webui.jobs.queue import Queue
from webui.jobs.runner import Runner
from webui.plugins.manager import Plugins

log = logging.getLogger(__name__)

_DISK_RETRY_SECONDS = 5.0
_ANNOUNCING_SHARE = 20
"""After telling the places, this many times as long nothing is told: a line of thousands must not hold up the rest."""


class Scheduler:
    """Admits waiting jobs to the workers and carries verbs to them. Belongs to the event loop's thread."""

    def __init__(
        self,
        queue: Queue,
        bus: Bus,
        executors: Sequence[Executor],
        store: PictureStore,
        plugins: Plugins,
        settings: SettingsStore,
        made: Callable[[], None] = lambda: None,
    ) -> None:
        """made: called in a thread when a work has made a model, before its end is told."""
        self._fleets = Fleets(executors)
        self._parts = Parts(queue, bus, self._fleets, store, plugins, settings, made, self.cancel)
        self._queue = queue
        self._bus = bus
        self._runners: dict[str, Runner] = {}
        self._woken = asyncio.Event()
        self._errands: set[asyncio.Task[None]] = set()
        self._disk_full = False
        self._silent_until = 0.0
        self._announcing: asyncio.TimerHandle | None = None
        self._only: Collection[str] | None = None
        self._blamed: frozenset[str] = frozenset()
        # Rises over restarts too, so that no browser takes an old preview from its cache for a new one.
        self._versions = itertools.count(time.time_ns() // 1_000_000)

    async def run(self, only: Collection[str] | None = None) -> None:
        """Admit jobs until cancelled, or only those with these ids; then running jobs are put back into the line."""
        self._only = only
        self._fleets.watch(self.wake)
        try:
            self._restore()
            while True:
                self._woken.clear()
                retry = await self._round()
                self._rest()
                self._switch_off()
                try:
                    await asyncio.wait_for(self._woken.wait(), _DISK_RETRY_SECONDS if retry else self._patience())
                except TimeoutError:
                    continue
        finally:
            await self._leave()

    def wake(self) -> None:
        """Something changed: a job came, a place changed, the line was resumed, a worker is in another state."""
        self._woken.set()

    @property
    def workers(self) -> Sequence[Worker]:
        """The workers that make pictures: how each is, and what it does."""
        fleet = self._fleets.places.get(DEVICE)
        return fleet.workers if fleet else ()

    @property
    def blamed(self) -> frozenset[str]:
        """The extensions inside of which some worker's processes died too often, and which are left out there."""
        return frozenset(name for worker in self.workers for name in worker.status.blamed)

    def renew(self) -> None:
        """Put a fresh process in each worker's place once it has no job, with the extensions that are on here now."""
        # What brought workers down stays out until somebody has switched it on, though it may be on here still.
        blamed = self.blamed.intersection(self._parts.settings.current.disabled_extensions)
        off = tuple(sorted(blamed.union(self._parts.plugins.off)))
        for fleet in self._fleets.places.values():
            for worker in fleet.workers:
                worker.executor.renew(off)

    def has(self, workplace: str) -> bool:
        """Whether jobs of this place are ever done."""
        return workplace in self._fleets.places

    def _rest(self) -> None:
        """Have the models of workers that are idle for long leave their memory."""
        for worker in idle.due(self.workers, self._idle_seconds, time.monotonic()):
            self._beside(self._unload(worker), "idle unload")

    def _switch_off(self) -> None:
        """Have extensions that brought down a worker too often stay off at the next start, too."""
        disabled = self._parts.settings.current.disabled_extensions
        # Once: what somebody switches on again is blamed until the worker has been renewed.
        self._blamed, before = self.blamed, self._blamed
        guilty = self._blamed - before - set(disabled)
        if not guilty:
            return
        try:
            self._parts.settings.update({"disabled_extensions": [*disabled, *sorted(guilty)]})
        except DarkroomError as error:
            log.warning("That extensions were switched off is not kept: %s", error.detail)

    async def _unload(self, worker: Worker) -> None:
        unloaded = await worker.executor.unload()
        if unloaded.dropped:
            log.info("Unloaded %s after %g idle minutes.", ", ".join(unloaded.dropped), self._idle_seconds / 60)

    @property
    def _idle_seconds(self) -> float:
        return self._parts.settings.current.unload_after_minutes * 60

    def _patience(self) -> float | None:
        waits = self._fleets.patience(), idle.patience(self.workers, self._idle_seconds, time.monotonic())
        return min((seconds for seconds in waits if seconds is not None), default=None)

    # Verbs

    def interrupt(self, job_id: str) -> None:
        """Finish the current picture, then end; again: end at this step. A waiting job leaves the line."""
        runner = self._runner(job_id)
        if runner is None:
            self._cancel_waiting(job_id)
        else:
            runner.interrupt()

    def skip(self, job_id: str) -> None:
        """End the current batch at this step and go on. Raises Conflict when the job is not running."""
        runner = self._runner(job_id)
        if runner is None:
            self._queue.get(job_id)
            raise Conflict("Only a running job has a picture to skip.")
        runner.skip()

    def cancel(self, job_id: str) -> None:
        """Abandon the job, waiting or running. Raises Conflict when it has ended."""
        runner = self._runner(job_id)
        if runner is None:
            self._cancel_waiting(job_id)
        else:
            runner.abandon()

    def clear_waiting(self, owner: str | None = None) -> int:
        """Abandon all waiting jobs, or one owner's; how many they were."""
        cleared = [Ended(job, unused) for job, unused in self._queue.cancel_waiting(owner)]
        for ended in cleared:
            self._bus.publish(ended.job.id, ended.job.owner, end_event(ended.job))
        self._after(*cleared)
        self.wake()
        return len(cleared)

    def pause(self) -> None:
        """Take up no more jobs; running ones go on. Kept over a restart."""
        self._queue.paused = True

    def resume(self) -> None:
        """Take up jobs again."""
        self._queue.paused = False
        self.wake()

    def preview(self, job_id: str) -> bytes | None:
        """The newest preview of a running job as JPEG, or None."""
        runner = self._runners.get(job_id)
        return runner.preview if runner else None

    def _runner(self, job_id: str) -> Runner | None:
        runner = self._runners.get(job_id)
        return None if runner is None or runner.over else runner

    def _cancel_waiting(self, job_id: str) -> None:
        self._after(conclude(self._parts, job_id, Outcome(State.CANCELLED)))
        self.wake()

    def _after(self, *ended: Ended) -> None:
        async def follow() -> None:
            for each in ended:
                await aftermath(self._parts, each)

        self._beside(follow(), "aftermath")

    def _beside(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Have something done beside the line; a stop of the program waits for it."""
        task = asyncio.create_task(work, name=name)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    # Admission

    async def _round(self) -> bool:
        """Admit what there is room for; True when the disk does not let us and another round must be tried."""
        try:
            if self._disk_full or any(runner.waits_for_disk for runner in self._runners.values()):
                await asyncio.to_thread(self._parts.store.check_writable)
                self._disk_full = False
            for place, fleet in self._fleets.places.items():
                self._fill(place, fleet)
            self._announce()
        except StorageProblem as problem:
            log.warning("The line stands still: %s", problem.detail)
            return True
        except Exception:
            # Nobody would notice that the line's task has ended: it goes on, and the log says what happened.
            log.exception("The line stumbled over an error nobody foresaw; it tries again")
            return True
        return False

    def _fill(self, place: str, fleet: Fleet) -> None:
        """Admit what the workers of this place have room for."""
        while not self._queue.paused and fleet.has_room:
            ahead = self._ahead(place)
            chosen = fleet.choose(ahead, self._waiting(place))
            if chosen is None:
                break
            self._admit(fleet, chosen)

    def _ahead(self, place: str) -> list[Job]:
        """The head of a place's line; jobs in it that cannot be read end here."""
        while True:
            limit = LOOK_AHEAD + len(self._runners) if self._only is None else -1
            ahead = self._queue.waiting(limit, workplace=place)
            if self._only is not None:
                ahead = [job for job in ahead if self._is_wanted(job.id, job.parent)]
            unreadable = [job for job in ahead if job.problem]
            for job in unreadable:
                self._after(conclude(self._parts, job.id, Outcome(State.FAILED, job.problem)))
            if not unreadable:
                # A job that waits again may still have its former runner, whose end the loop notices a turn later.
                return [job for job in ahead if job.id not in self._runners][:LOOK_AHEAD]

    def _waiting(self, place: str) -> int:
        """How many jobs are in a place's line."""
        line = (job for job in self._queue.line() if job.workplace == place)
        return sum(self._is_wanted(job.id, job.parent) for job in line)

    def _is_wanted(self, job_id: str, parent: str | None) -> bool:
        """Whether a job may be taken up: what a script asks for goes with its job."""
        return self._only is None or job_id in self._only or parent in self._only

    def _admit(self, fleet: Fleet, chosen: Choice) -> None:
        job, worker, reason = chosen.job, chosen.worker, chosen.reason
        if reason:
            self._bus.publish(job.id, job.owner, Queued(0, reason))
        started = replace(self._queue.start(job.id), again=job.started is not None)
        runner = Runner(self._parts, started, worker, self._versions)
        fleet.admit(runner.job, worker)
        self._runners[job.id] = runner
        if reason:
            for passed in chosen.passed:
                self._bus.publish(passed.id, passed.owner, Queued(self._queue.position(passed.id), WAS_PASSED))
        runner.start().add_done_callback(lambda task: self._left(runner, task))

    def _left(self, runner: Runner, task: asyncio.Task[None]) -> None:
        del self._runners[runner.job.id]
        self._fleets.of(runner.job).leave(runner.job, runner.worker)
        if not task.cancelled() and (error := task.exception()):
            log.error("Job %s was left without an end", runner.job.id, exc_info=error)
        self._disk_full = self._disk_full or runner.storage_failed
        self.wake()

    def _announce(self) -> None:
        """Tell the waiting jobs whose place has changed; of a long line not after each change, but soon."""
        began = time.monotonic()
        if began < self._silent_until:
            if self._announcing is None:
                left = self._silent_until - began
                self._announcing = asyncio.get_running_loop().call_later(left, self._end_silence)
            return
        for job in self._queue.line():
            told = self._bus.newest(job.id, Queued.name)
            reason = told.reason if isinstance(told, Queued) else ""
            if told != Queued(job.position, reason):
                self._bus.publish(job.id, job.owner, Queued(job.position, reason))
        ended = time.monotonic()
        self._silent_until = ended + _ANNOUNCING_SHARE * (ended - began)

    def _end_silence(self) -> None:
        self._announcing = None
        self.wake()

    def _restore(self) -> None:
        """Tell the bus what a former process knew, so that followers who come back miss nothing."""
        try:
            self._tell_the_past()
        except Exception:
            # Followers ask the rows for what the bus does not know: no reason to let the line stand still.
            log.exception("The bus was not told what a former process knew")

    def _tell_the_past(self) -> None:
        positions = self._queue.positions()
        waiting = self._queue.waiting(limit=-1)
        ended = self._queue.list(states=[state for state in State if state.ended], limit=KEPT_ENDED)
        for job in (*reversed(ended), *waiting):
            reason = "Darkroom was restarted." if job.started else ""
            self._bus.restore(job.id, job.owner, events_of(job, positions.get(job.id, 0), reason))

    async def _leave(self) -> None:
        tasks = [task for runner in self._runners.values() if (task := runner.leave())]
        await asyncio.gather(*tasks, *self._errands, return_exceptions=True)
