"""Which job goes to which worker: models, room, load, jobs that run alone, dead workers, and that nobody starves."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings, strategies

from tests.jobs.helpers import MakeJob
from webui.core.job import Job, State
from webui.core.model_memory import HeldModel
from webui.core.request import GenerationRequest
from webui.jobs.executors.base import WorkerState
from webui.jobs.executors.fake import FakeExecutor
from webui.jobs.fleet import IMBALANCE, LOOK_AHEAD, RESTART_SECONDS, Fleet, Worker


class Still(FakeExecutor):
    """A worker that runs nothing: its state and memory are set."""

    def remember(self, *checkpoints: str) -> None:
        self._status = type(self._status)("ready", models=tuple(map(HeldModel, checkpoints)))


def fleet(*rooms: int) -> Fleet:
    return Fleet([Still(capacity=room) for room in rooms])


def hold(fleet: Fleet, *memories: Sequence[str]) -> None:
    for worker, names in zip(fleet.workers, memories, strict=True):
        assert isinstance(worker.executor, Still)
        worker.executor.remember(*names)


def states(fleet: Fleet, *wanted: WorkerState) -> None:
    for worker, state in zip(fleet.workers, wanted, strict=True):
        assert isinstance(worker.executor, Still)
        worker.executor.become(state)


def place(fleet: Fleet, ahead: Sequence[Job]) -> tuple[str, int] | None:
    """The id of the job that is chosen and its worker's number; it is admitted."""
    chosen = fleet.choose(ahead, len(ahead))
    if chosen is None:
        return None
    fleet.admit(chosen.job, chosen.worker)
    return chosen.job.id, fleet.workers.index(chosen.worker)


def job(id: str, checkpoint: str = "", *, alone: bool = False, place: float = 1.0) -> Job:
    request = GenerationRequest(prompt="a", checkpoint=checkpoint)
    return Job(id, "ann", request, State.QUEUED, created=1.0, place=place, alone=alone)


def test_a_job_goes_where_its_checkpoint_is_also_by_another_spelling_of_its_title() -> None:
    workers = fleet(4, 4)
    hold(workers, ["x"], ["sub/y"])
    assert place(workers, [job("a", "sub/y [0123456789]")]) == ("a", 1)
    assert place(workers, [job("b", "x [0123456789]")]) == ("b", 0)


def test_a_checkpoint_that_is_being_loaded_for_another_job_counts_as_there() -> None:
    workers = fleet(4, 4)
    assert place(workers, [job("a", "x")]) == ("a", 0)
    assert place(workers, [job("b", "x")]) == ("b", 0)


def test_an_unknown_checkpoint_spares_what_is_in_memory() -> None:
    workers = fleet(4, 4, 4)
    hold(workers, ["x"], [], ["y"])
    assert place(workers, [job("a", "z")]) == ("a", 1)
    # All have one: the one that was not used for longest gives its own up.
    hold(workers, ["x"], ["z"], ["y"])
    workers.workers[1].jobs.clear()
    workers.workers[0].turn = 5
    assert place(workers, [job("b", "new")]) == ("b", 2)


def test_a_second_device_is_used_for_one_checkpoint_too() -> None:
    workers = fleet(16, 16)
    hold(workers, ["x"], [])
    found = [place(workers, [job(str(n), "x")]) for n in range(8)]
    where = [number for _, number in found if found]  # type: ignore[misc]
    assert where[: IMBALANCE + 1] == [0] * IMBALANCE + [1], "loading it there pays when the other is that much busier"
    assert Counter(where) == {0: 4, 1: 4}


def test_the_head_is_passed_by_jobs_whose_model_is_there_but_not_for_ever() -> None:
    workers = fleet(1)
    hold(workers, ["x"])
    line = [job("head", "y"), *(job(f"x{n}", "x") for n in range(20))]
    order = []
    while line:
        chosen = place(workers, line)
        assert chosen
        order.append(chosen[0])
        line = [waiting for waiting in line if waiting.id != chosen[0]]
        workers.workers[0].jobs.clear()
    assert order.index("head") == LOOK_AHEAD


def test_a_job_moved_to_the_front_is_not_passed() -> None:
    workers = fleet(1)
    hold(workers, ["x"])
    assert place(workers, [job("front", "y", place=-1.0), job("x1", "x")]) == ("front", 0)


def test_a_job_alone_has_a_worker_to_itself_and_the_others_go_on() -> None:
    workers = fleet(4, 4)
    first, second = workers.workers
    for number in range(4):
        place(workers, [job(f"j{number}")])
    assert len(first.jobs) == len(second.jobs) == 2
    line = [job("suspect", alone=True), *(job(f"n{n}") for n in range(5))]
    assert place(workers, line) == ("n0", 1), "the first one runs empty for it"
    first.jobs.clear()
    assert place(workers, line) == ("suspect", 0)
    assert place(workers, [job("n1")]) == ("n1", 1), "nobody joins it"
    second.jobs.clear()
    assert place(workers, [job("other", alone=True)]) == ("other", 1)
    assert place(workers, [job("n2")]) is None and not workers.has_room


def test_the_worker_that_will_be_empty_first_is_kept_for_a_job_alone() -> None:
    workers = fleet(8, 8)
    hold(workers, ["x"], ["y"])
    for name in "xxy":
        place(workers, [job(f"{name}{len(workers.workers[0].jobs)}", name)])
    assert [len(worker.jobs) for worker in workers.workers] == [2, 1]
    assert place(workers, [job("suspect", "y", alone=True), job("n", "y")]) == ("n", 0)


def test_jobs_go_to_workers_that_are_ready_and_to_failed_ones_only_to_be_told_so() -> None:
    workers = fleet(1, 1, 1)
    states(workers, "failed", "restarting", "starting")
    assert place(workers, [job("a")]) == ("a", 2)
    assert place(workers, [job("b")]) is None, "the one that starts is full, the one that died may die again"
    states(workers, "failed", "ready", "failed")
    assert workers.works and place(workers, [job("b")]) == ("b", 1)
    states(workers, "failed", "failed", "failed")
    assert not workers.works and place(workers, [job("c")]) == ("c", 0)


def admit_all(fleet: Fleet, line: list[Job]) -> list[int]:
    """How many jobs each worker has after everything that can be was taken from the line."""
    while placed := place(fleet, line):
        line[:] = [waiting for waiting in line if waiting.id != placed[0]]
    return [len(worker.jobs) for worker in fleet.workers]


@pytest.mark.parametrize(("end", "shared"), [("ready", [8, 8]), ("failed", [16, 0])])
def test_a_worker_that_still_starts_finds_its_part_of_the_line(end: WorkerState, shared: list[int]) -> None:
    workers, line = fleet(16, 16), [job(str(n)) for n in range(16)]
    states(workers, "ready", "starting")
    assert admit_all(workers, line) == [8, 0]
    workers.workers[0].jobs.popitem()
    assert admit_all(workers, line) == [8, 0] and len(line) == 7, "those that end are replaced"
    line.append(job("late"))
    states(workers, "ready", end)
    assert admit_all(workers, line) == shared


def test_one_job_waits_for_no_worker_that_starts() -> None:
    workers = fleet(16, 16, 16)
    states(workers, "starting", "ready", "starting")
    assert admit_all(workers, [job("a")]) == [0, 1, 0]


def test_a_worker_that_restarts_finds_its_part_for_a_while_only() -> None:
    now = 100.0
    workers = Fleet([Still(capacity=16), Still(capacity=16)], clock=lambda: now)
    states(workers, "ready", "restarting")
    line = [job(str(n)) for n in range(16)]
    assert admit_all(workers, line) == [8, 0]
    now += RESTART_SECONDS - 1
    assert admit_all(workers, line) == [8, 0] and workers.patience() == 1
    now += 1
    assert workers.patience() is None
    assert admit_all(workers, line) == [16, 0]


@pytest.mark.parametrize("room", [1, 2, 4])
@pytest.mark.parametrize("names", ["xy", "xyz"])
def test_checkpoints_settle_one_to_a_worker(names: str, room: int) -> None:
    line = [job(f"job{n}", names[n % len(names)]) for n in range(200)]
    assert Line([room] * len(names), line).run(lambda running: min(running, key=_number)) == len(names)
    # Where chance decides what ends, a head that was passed often enough has its checkpoint loaded elsewhere.
    draw = random.Random(7)
    assert Line([room] * len(names), line).run(draw.choice) < len(line) / 5


def _number(running: tuple[Worker, str]) -> int:
    return int(running[1].removeprefix("job"))


class Line:
    """A line of jobs before workers with memory for one checkpoint each; what happens is checked as it happens."""

    def __init__(self, rooms: Sequence[int], line: Sequence[Job], late: int = 0) -> None:
        """`late`: so many workers, but not all, still start; each time that nothing can be admitted one is ready."""
        self.fleet = fleet(*rooms)
        self.late = min(late, len(rooms) - 1)
        states(self.fleet, *["starting"] * self.late, *["ready"] * (len(rooms) - self.late))
        self.line = list(line)
        self.places = {waiting.id: place for place, waiting in enumerate(line)}
        self.order: list[str] = []

    def become_ready(self) -> None:
        """The next of those that start is ready."""
        self.late -= 1
        still = self.fleet.workers[self.late].executor
        assert isinstance(still, Still)
        still.become("ready")

    def run(self, pick: Callable[[list[tuple[Worker, str]]], tuple[Worker, str]]) -> int:
        """Admit all; whenever nothing more can be, the running job that `pick` picks ends. How often was loaded."""
        loads = 0
        while self.line:
            chosen = self.fleet.choose(self.line[:LOOK_AHEAD], len(self.line))
            if chosen is None:
                self._check_stop()
                if self.late:
                    self.become_ready()
                    continue
                worker, ended = pick([(worker, name) for worker in self.fleet.workers for name in worker.jobs])
                del worker.jobs[ended]
                continue
            taken, worker = chosen[:2]
            assert worker.takes(taken) and len(worker.jobs) < worker.executor.room()
            assert not (taken.alone and worker.jobs) and not any(other.alone for other in worker.jobs.values())
            loads += not worker.holds(taken)
            self.fleet.admit(taken, worker)
            assert isinstance(worker.executor, Still)
            worker.executor.remember(taken.request.checkpoint)
            self.line = [waiting for waiting in self.line if waiting.id != taken.id]
            self.order.append(taken.id)
        return loads

    def _check_stop(self) -> None:
        """Nobody is idle without a reason: only one worker may keep room, for a head that must be alone."""
        open_ = [worker for worker in self.fleet.workers if worker.has_room]
        if self.late:
            ready = self.fleet.workers[self.late :]
            assert all(worker.jobs for worker in ready) and not any(w.jobs for w in self.fleet.workers[: self.late])
            return
        if self.line[0].alone:
            assert all(worker.jobs for worker in self.fleet.workers)
            assert len(open_) <= 1 or all(waiting.alone for waiting in self.line[:LOOK_AHEAD])
        else:
            assert not open_


JOBS = strategies.lists(strategies.tuples(strategies.sampled_from("xyz"), strategies.booleans()), max_size=60)
ROOMS = strategies.lists(strategies.integers(1, 3), min_size=1, max_size=4)


@settings(max_examples=150, deadline=None)
@given(rooms=ROOMS, jobs=JOBS, late=strategies.integers(0, 3), draw=strategies.randoms(use_true_random=False))
def test_whatever_the_line_every_job_gets_its_turn(
    rooms: list[int], jobs: list[tuple[str, bool]], late: int, draw: random.Random
) -> None:
    line = Line(rooms, [job(f"job{n}", name, alone=alone) for n, (name, alone) in enumerate(jobs)], late)
    line.run(draw.choice)
    assert sorted(line.order) == sorted(line.places)


@settings(max_examples=150, deadline=None)
@given(rooms=ROOMS, names=strategies.lists(strategies.sampled_from("xyz"), max_size=60), draw=strategies.randoms())
def test_a_job_is_passed_by_few_that_came_later(rooms: list[int], names: list[str], draw: random.Random) -> None:
    line = Line(rooms, [job(f"job{n}", name) for n, name in enumerate(names)])
    line.run(draw.choice)
    for turn, name in enumerate(line.order):
        place = line.places[name]
        later = sum(line.places[other] > place for other in line.order[:turn])
        assert later <= LOOK_AHEAD * (place + 1)


def test_a_state_that_changes_is_told(make_job: MakeJob) -> None:
    workers, told = fleet(1, 1), []
    workers.watch(lambda: told.append(1))
    states(workers, "failed", "starting")
    assert told == [1, 1]
