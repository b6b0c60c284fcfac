"""A hypothesis state machine over the queue: whatever happens in whatever order, every job ends at most once."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings, strategies
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from webui.core.errors import Conflict
from webui.core.events import Picture
from webui.core.job import Job, State
from webui.core.request import GenerationRequest
from webui.jobs.queue import Queue

PICKS = strategies.integers(0, 1000)


def has(state: State) -> Callable[[QueueMachine], bool]:
    """Whether there is a job in this state."""
    return lambda machine: state in machine.states.values()


class QueueMachine(RuleBasedStateMachine):
    """Holds beside the queue what it ought to be, in plain dicts."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="darkroom-queue-"))
        self.time = 1000.0
        self.states: dict[str, State] = {}
        self.owners: dict[str, str] = {}
        self.attempts: dict[str, int] = {}
        self.alone: dict[str, bool] = {}
        self.saved: dict[str, set[int]] = {}
        self.sizes: dict[str, int] = {}
        self.fronted: list[str] = []

    def now(self) -> float:
        self.time += 1
        return self.time

    @initialize()
    def open(self) -> None:
        self.queue = Queue(self.folder / "q.sqlite3", clock=self.now)

    def some(self, pick: int, state: State) -> str:
        """One of the jobs in this state."""
        jobs = sorted(job for job, its in self.states.items() if its is state)
        return jobs[pick % len(jobs)]

    @rule(owner=strategies.sampled_from("abc"), pictures=strategies.integers(1, 3))
    def submit(self, owner: str, pictures: int) -> None:
        now = self.now()
        job = Job(f"{owner}{now:.0f}", owner, GenerationRequest(n_iter=pictures, seed=1), State.QUEUED, now, now)
        self.queue.put(job)
        self.states[job.id], self.owners[job.id] = State.QUEUED, owner
        self.attempts[job.id], self.alone[job.id] = 0, False
        self.saved[job.id], self.sizes[job.id] = set(), pictures

    @precondition(has(State.QUEUED))
    @rule(pick=PICKS)
    def start(self, pick: int) -> None:
        job = self.some(pick, State.QUEUED)
        assert self.queue.start(job).state is State.RUNNING
        missing = set(range(self.sizes[job])) - self.queue.done(job) - set(self.queue.reserved(job))
        self.queue.reserve(job, [(n, n, f"{job}-{n}.png") for n in sorted(missing)])
        self.states[job] = State.RUNNING

    @precondition(has(State.RUNNING))
    @rule(pick=PICKS, index=strategies.integers(0, 2))
    def save(self, pick: int, index: int) -> None:
        job = self.some(pick, State.RUNNING)
        index %= self.sizes[job]
        row = self.queue.save_picture(job, Picture(index, index, b"", 64, 64, "text"))
        assert row.path == f"{job}-{index}.png"
        self.saved[job].add(index)

    @precondition(has(State.RUNNING))
    @rule(pick=PICKS, end=strategies.sampled_from([s for s in State if s.ended]))
    def finish(self, pick: int, end: State) -> None:
        job = self.some(pick, State.RUNNING)
        self.queue.end(job, end)
        self.states[job] = end

    @precondition(has(State.QUEUED))
    @rule(pick=PICKS)
    def cancel(self, pick: int) -> None:
        job = self.some(pick, State.QUEUED)
        self.queue.end(job, State.CANCELLED)
        self.states[job] = State.CANCELLED

    @precondition(has(State.DONE))
    @rule(pick=PICKS, again=strategies.sampled_from([s for s in State if s.ended]))
    def end_again(self, pick: int, again: State) -> None:
        with pytest.raises(Conflict):
            self.queue.end(self.some(pick, State.DONE), again)

    @precondition(has(State.RUNNING))
    @rule(pick=PICKS, ran=strategies.booleans())
    def worker_died(self, pick: int, ran: bool) -> None:
        job = self.some(pick, State.RUNNING)
        self.queue.requeue(job, count=ran, alone=ran)
        self.states[job] = State.QUEUED
        self.attempts[job] += ran
        self.alone[job] |= ran

    @precondition(has(State.QUEUED))
    @rule(pick=PICKS)
    def front(self, pick: int) -> None:
        job = self.some(pick, State.QUEUED)
        self.queue.front(job)
        self.fronted = [job, *(other for other in self.fronted if other != job)]

    @rule(closed=strategies.booleans())
    def crash_and_recover(self, closed: bool) -> None:
        """The web process ends, in order or not: a second connection finds what the first one left."""
        if closed:
            self.queue.close()
        crashed = self.queue
        self.queue = Queue(self.folder / "q.sqlite3", clock=self.now)
        if not closed:
            crashed.close()
        ran = {job for job, state in self.states.items() if state is State.RUNNING}
        assert {job.id for job in self.queue.recover()} == ran
        for job in ran:
            self.states[job] = State.QUEUED

    @invariant()
    def rows_are_as_expected(self) -> None:
        if not hasattr(self, "queue"):
            return
        rows = {job.id: job for job in self.queue.list(limit=1000)}
        assert {job: row.state for job, row in rows.items()} == self.states
        assert {job: row.attempts for job, row in rows.items()} == self.attempts
        assert {job: row.alone for job, row in rows.items()} == self.alone
        assert {job: {p.index for p in row.pictures} for job, row in rows.items()} == self.saved
        for job, row in rows.items():
            assert (row.ended is not None) == row.state.ended
            reserved = set(self.queue.reserved(job))
            assert not reserved & self.saved[job]
            if row.state.ended:
                assert not reserved

    @invariant()
    def the_line_is_fair(self) -> None:
        if not hasattr(self, "queue"):
            return
        line = [job.id for job in self.queue.line()]
        assert sorted(line) == sorted(job for job, state in self.states.items() if state is State.QUEUED)
        first = [job for job in self.fronted if job in line]
        assert line[: len(first)] == first
        # Between two jobs of one owner there is never more than one wait of any other owner's, running ones set off.
        rest = line[len(first) :]
        served = dict.fromkeys("abc", 0)
        busy = {
            owner: sum(self.owners[j] == owner for j, s in self.states.items() if s is State.RUNNING) for owner in "abc"
        }
        for place, job in enumerate(rest):
            owner = self.owners[job]
            for other in {self.owners[later] for later in rest[place:]} - {owner}:
                assert served[owner] + busy[owner] <= served[other] + busy[other]
            served[owner] += 1

    def teardown(self) -> None:
        if hasattr(self, "queue"):
            self.queue.close()
        shutil.rmtree(self.folder)


TestQueueMachine = QueueMachine.TestCase
TestQueueMachine.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
