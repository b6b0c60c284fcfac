"""The workers, and the choice which waiting job goes to which of them next. Torch-free, and nothing here waits."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from webui.core.job import Job
from webui.engine.checkpoints.catalogue import name_of
from webui.jobs.eta import History
from webui.jobs.executors.base import Executor, WorkerState, WorkerStatus

LOOK_AHEAD = 8
"""How far down the line a job with a loaded model is looked for, and how often a head of the line is passed."""
IMBALANCE = 2
"""With so many jobs more than another, a worker gets no more for its model's sake: the other loads that model too."""
RESTART_SECONDS = 30.0
"""So long a part of the line is kept for a worker that restarts; for one that starts, until it is ready or fails."""

GOES_FIRST = "It goes first, since its model is loaded."
"""Said of a job that passes others."""
WAS_PASSED = "A later job goes first, since its model is loaded."
"""Said of those."""

_BEST_FIRST: tuple[WorkerState, ...] = ("ready", "starting", "restarting", "failed")


@dataclass(eq=False, slots=True)
class Worker:
    """One worker: its executor, the jobs that run there by id, and how fast it was lately."""

    executor: Executor
    jobs: dict[str, Job] = field(default_factory=dict)
    history: History = field(default_factory=History)
    turn: int = 0
    """Number of the admission that was its last."""
    changed: float = 0.0
    """When its state became another one, by the fleet's clock."""
    idle_since: float = 0.0
    """When its last job left it, or its process was ready, by the fleet's clock."""
    rested: bool = False
    """Whether its models were told to leave since then."""

    @property
    def status(self) -> WorkerStatus:
        """How it is."""
        return self.executor.status()

    @property
    def has_room(self) -> bool:
        """Whether a job that shares it may come; one that runs alone leaves none."""
        return len(self.jobs) < self.executor.room() and not any(job.alone for job in self.jobs.values())

    def takes(self, job: Job) -> bool:
        """Whether this job may come now."""
        return self.has_room and not (job.alone and self.jobs)

    def holds(self, job: Job) -> bool:
        """Whether it has the job's checkpoint in memory, or loads it for another job."""
        names = _names(job)
        return any(map(self.status.holds, names)) or any(names == _names(j) for j in self.jobs.values())

    def uses(self, name: str) -> bool:
        """Whether a job that runs on it needs the checkpoint of this name."""
        return any(name in _names(job) for job in self.jobs.values())


class Choice(NamedTuple):
    """The next job, its worker, and why it goes before the jobs `passed`, where a model is the reason."""

    job: Job
    worker: Worker
    reason: str = ""
    passed: Sequence[Job] = ()


class Fleets:
    """All workers, those of each workplace as a fleet of their own: none of them can do another's jobs."""

    def __init__(self, executors: Iterable[Executor], clock: Callable[[], float] = time.monotonic) -> None:
        places: dict[str, list[Executor]] = {}
        for executor in executors:
            places.setdefault(executor.workplace, []).append(executor)
        self.places = {place: Fleet(found, clock) for place, found in places.items()}

    @property
    def workers(self) -> tuple[Worker, ...]:
        """All of them."""
        return tuple(worker for fleet in self.places.values() for worker in fleet.workers)

    def of(self, job: Job) -> Fleet:
        """Where a job belongs that was admitted there."""
        return self.places[job.request.workplace]

    def watch(self, changed: Callable[[], None]) -> None:
        """See Fleet.watch."""
        for fleet in self.places.values():
            fleet.watch(changed)

    def patience(self) -> float | None:
        """See Fleet.patience."""
        found = [seconds for fleet in self.places.values() if (seconds := fleet.patience()) is not None]
        return min(found, default=None)


class Fleet:
    """The workers of one workplace. Belongs to the event loop's thread."""

    def __init__(self, executors: Iterable[Executor], clock: Callable[[], float] = time.monotonic) -> None:
        self.workers = tuple(Worker(executor, idle_since=clock()) for executor in executors)
        self._clock = clock
        self._changed: Callable[[], None] = lambda: None
        self._passed = 0
        self._turns = 0
        for worker in self.workers:
            worker.executor.watch(partial(self._note_change, worker))

    @property
    def works(self) -> bool:
        """Whether any worker can be expected to run jobs."""
        return any(worker.status.state != "failed" for worker in self.workers)

    @property
    def has_room(self) -> bool:
        """Whether any worker has room; while none has, no job can be admitted."""
        return any(worker.has_room for worker in self._eligible())

    def watch(self, changed: Callable[[], None]) -> None:
        """Have `changed` called whenever a worker's state becomes another one."""
        self._changed = changed

    def choose(self, ahead: Sequence[Job], waiting: int) -> Choice | None:
        """The next job and its worker; None while no job of `ahead`, the line from its head on, can be admitted.

        The first job whose checkpoint a worker holds goes there, as long as the head was passed less than LOOK_AHEAD
        times in a row; else the head goes to the worker with the fewest jobs. While the head cannot be admitted, the
        first that can is in its place. `waiting`: the length of the whole line, of which workers that are to be ready
        soon are left their part.
        """
        workers = self._eligible()
        if ahead and ahead[0].alone and all(worker.jobs for worker in workers):
            # One of them runs empty for it. The others go on: what they take up does not keep it waiting.
            kept = min(workers, key=_load)
            workers = [worker for worker in workers if worker is not kept]
        share = self._share(waiting)
        workers = [worker for worker in workers if _load(worker) < share]
        possible = [job for job in ahead if any(worker.takes(job) for worker in workers)]
        if not possible:
            return None
        job, worker = self._chosen(possible, workers)
        # Also a head that cannot be admitted yet was passed: when it can be, it has waited long enough.
        self._passed = 0 if job is ahead[0] else self._passed + 1
        passed = possible[: possible.index(job)]
        return Choice(job, worker, GOES_FIRST if passed else "", passed)

    def admit(self, job: Job, worker: Worker) -> None:
        """The job runs on the worker from now on."""
        self._turns += 1
        worker.turn = self._turns
        worker.jobs[job.id] = job

    def leave(self, job: Job, worker: Worker) -> None:
        """The job no longer runs on the worker."""
        del worker.jobs[job.id]
        if not worker.jobs:
            worker.idle_since, worker.rested = self._clock(), False

    def patience(self) -> float | None:
        """Seconds until a restarting worker's part of the line is given to others; None when none is kept for one."""
        left = [self._left(worker) for worker in self.workers if worker.status.state == "restarting"]
        return min((seconds for seconds in left if seconds > 0), default=None)

    def _left(self, worker: Worker) -> float:
        return worker.changed + RESTART_SECONDS - self._clock()

    def _share(self, waiting: int) -> float:
        """How many jobs a ready worker may have while others are coming: no job moves once it has begun."""
        ready = sum(worker.status.state == "ready" for worker in self.workers)
        coming = sum(map(self._is_coming, self.workers))
        if not (ready and coming):
            return math.inf
        return max(1, math.ceil((waiting + sum(map(_load, self.workers))) / (ready + coming)))

    def _is_coming(self, worker: Worker) -> bool:
        state = worker.status.state
        return state == "starting" or (state == "restarting" and self._left(worker) > 0)

    def _note_change(self, worker: Worker) -> None:
        worker.changed = self._clock()
        if worker.status.state == "ready":
            # A fresh process loads a model by itself, which is to leave in its time too.
            worker.idle_since, worker.rested = self._clock(), False
        self._changed()

    def _eligible(self) -> list[Worker]:
        """The workers in the best state that there is; those that failed only where all have, so that jobs are told."""
        best = min(_BEST_FIRST.index(worker.status.state) for worker in self.workers)
        return [worker for worker in self.workers if worker.status.state == _BEST_FIRST[best]]

    def _chosen(self, possible: Sequence[Job], workers: Sequence[Worker]) -> tuple[Job, Worker]:
        head = possible[0]
        moved_to_front = head.place < 0
        for job in possible[:1] if moved_to_front or self._passed >= LOOK_AHEAD else possible:
            takers = [worker for worker in workers if worker.takes(job)]
            holders = [worker for worker in takers if worker.holds(job)]
            if holders and _load(min(holders, key=_load)) < _load(min(takers, key=_load)) + IMBALANCE:
                return job, min(holders, key=_load)
        # What is in memory stays there where another worker has nothing, or has not been used for longer.
        takers = [worker for worker in workers if worker.takes(head)]
        return head, min(takers, key=lambda worker: (_load(worker), len(worker.status.models), worker.turn))


def _names(job: Job) -> tuple[str, ...]:
    return tuple(map(name_of, job.request.models))


def _load(worker: Worker) -> int:
    return len(worker.jobs)
