"""Nobody waits for ever: the choice of the next job over simulated time, with jobs that keep coming."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given, settings, strategies

from webui.core.job import Job, State
from webui.core.model_memory import HeldModel
from webui.core.request import GenerationRequest
from webui.jobs.executors.base import WorkerStatus
from webui.jobs.executors.fake import FakeExecutor
from webui.jobs.fleet import GOES_FIRST, LOOK_AHEAD, Fleet, Worker


@dataclass(frozen=True)
class Coming:
    """A job that comes `after` the one before it and runs for `seconds`."""

    model: str
    after: float
    seconds: float
    alone: bool = False


class Device(FakeExecutor):
    """A worker that runs nothing, with memory for some models: the longest unused one leaves."""

    def __init__(self, room: int, memory: int) -> None:
        super().__init__(capacity=room)
        self._memory = memory

    def load(self, name: str) -> None:
        others = [model for model in self._status.models if model.name != name]
        self._status = WorkerStatus("ready", models=(*others, HeldModel(name))[-self._memory :])


class Simulation:
    """Jobs that come, are chosen and end; what each waited, and what it may wait at most."""

    def __init__(self, devices: Sequence[tuple[int, int]], coming: Sequence[Coming]) -> None:
        self.now = 0.0
        self.fleet = Fleet([Device(room, memory) for room, memory in devices], lambda: self.now)
        self.coming = {f"job{n}": each for n, each in enumerate(coming)}
        self.line: list[Job] = []
        self.waited: dict[str, float] = {}
        self.most: dict[str, float] = {}
        self._came: dict[str, float] = {}
        self._ends: list[tuple[float, str, int, Job]] = []
        longest = max((each.seconds for each in coming), default=0.0)
        # While a job is the first in line it is passed LOOK_AHEAD times at most, and whenever it is neither admitted
        # nor passed, there is no room until some job ends. One that runs alone waits each time until a worker is
        # empty: no job comes to the one that is kept for it, which is another one only when that has fewer jobs, or
        # as many and stands further ahead.
        turns = (LOOK_AHEAD + 1) * longest
        self._share = {False: turns, True: turns * max(room for room, _ in devices) * len(devices)}

    def run(self) -> None:
        arrivals = self._arrivals()
        while arrivals or self._ends or self.line:
            self._admit()
            next_arrival = arrivals[0][0] if arrivals else float("inf")
            if self._ends and self._ends[0][0] <= next_arrival:
                self.now, _, number, ended = heapq.heappop(self._ends)
                self.fleet.leave(ended, self.fleet.workers[number])
            else:
                assert arrivals, "jobs wait, nothing runs, and nothing is admitted"
                self.now, job = arrivals.pop(0)
                self._come(job)

    def _arrivals(self) -> list[tuple[float, Job]]:
        time, arrivals = 0.0, []
        for name, each in self.coming.items():
            time += each.after
            request = GenerationRequest(prompt="a", checkpoint=each.model)
            arrivals.append((time, Job(name, "ann", request, State.QUEUED, time, time + 1, alone=each.alone)))
        return arrivals

    def _come(self, job: Job) -> None:
        self.line.append(job)
        self._came[job.id] = self.now
        self.most[job.id] = sum(self._share[waiting.alone] for waiting in self.line)

    def _admit(self) -> None:
        while chosen := self.fleet.choose(self.line[:LOOK_AHEAD], len(self.line)):
            job, worker, reason, passed = chosen
            assert bool(reason) == bool(passed)
            if passed:
                assert reason == GOES_FIRST and worker.holds(job)
                place = self.line.index(job)
                assert all(self.line.index(other) < place for other in passed)
                assert not any(other.alone and all(each.jobs for each in self.fleet.workers) for other in passed)
            self._start(job, worker)

    def _start(self, job: Job, worker: Worker) -> None:
        self.fleet.admit(job, worker)
        assert isinstance(worker.executor, Device)
        worker.executor.load(job.request.checkpoint)
        self.line.remove(job)
        self.waited[job.id] = self.now - self._came[job.id]
        end = self.now + self.coming[job.id].seconds
        heapq.heappush(self._ends, (end, job.id, self.fleet.workers.index(worker), job))


COMING = strategies.builds(
    Coming,
    strategies.sampled_from("xyz"),
    strategies.sampled_from([0.0, 0.0, 0.5, 2.0]),
    strategies.sampled_from([1.0, 1.5, 4.0]),
    strategies.sampled_from([False, False, False, True]),
)
DEVICES = strategies.lists(
    strategies.tuples(strategies.integers(1, 3), strategies.integers(1, 2)), min_size=1, max_size=3
)


@settings(max_examples=200, deadline=None)
@given(devices=DEVICES, coming=strategies.lists(COMING, max_size=60))
def test_every_job_starts_within_what_the_jobs_ahead_of_it_allow(
    devices: list[tuple[int, int]], coming: list[Coming]
) -> None:
    simulation = Simulation(devices, coming)
    simulation.run()
    assert set(simulation.waited) == set(simulation.coming)
    for name, seconds in simulation.waited.items():
        assert seconds <= simulation.most[name], name


@pytest.mark.parametrize("alone", [False, True])
def test_a_stream_of_jobs_whose_model_is_loaded_starves_nobody(alone: bool) -> None:
    stream = [Coming("x", 0.3, 1.0 + n % 3 / 4) for n in range(400)]
    stream[20:20] = [Coming("y", 0.0, 1.0, alone)]
    simulation = Simulation([(2, 1), (2, 1)], stream)
    simulation.run()
    assert simulation.waited["job20"] <= simulation.most["job20"]
