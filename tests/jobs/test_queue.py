"""The queue keeps what was accepted, ends each job once, and orders the line fairly."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.jobs.helpers import MakeJob
from webui.core.errors import Conflict, NotFound, WorkerProblem
from webui.core.events import Picture
from webui.core.job import State
from webui.core.job_request import RequestKinds
from webui.core.model_work import WORKSHOP, Prune
from webui.core.request import DEVICE, GenerationRequest
from webui.core.script_request import TASK, ScriptRequest
from webui.jobs.queue import Queue

ENDS = (State.DONE, State.FAILED, State.CANCELLED)


def saved(index: int, **values: object) -> Picture:
    picture = Picture(index, seed=7, data=b"png", width=64, height=48, infotext="a red circle\nSteps: 4")
    return replace(picture, **values)  # type: ignore[arg-type]


def ids(jobs: list) -> list[str]:
    return [job.id for job in jobs]


def test_a_job_comes_back_from_the_disk_as_it_was_put(queue: Queue, make_job: MakeJob) -> None:
    job = make_job(prompt='ein rötes 圓 "quoted"\nnew line', alone=True)
    queue.put(job)
    again = Queue(queue._database.path)
    assert again.get(job.id) == job
    again.close()


def test_an_id_is_accepted_once(queue: Queue, make_job: MakeJob) -> None:
    queue.put(make_job(id="same"))
    with pytest.raises(Conflict):
        queue.put(make_job(id="same", prompt="another"))
    assert queue.get("same").request.prompt == "a red circle"


def test_the_line_costs_the_same_however_many_jobs_have_ended(queue: Queue, make_job: MakeJob) -> None:
    """Counted in thousands of steps of SQLite's machine, not in seconds."""
    for _ in range(10):
        queue.put(make_job())
    connection = queue._database._connection
    work = 0

    def tick() -> int:
        nonlocal work
        work += 1
        return 0

    def cost(ask: Callable[[], object]) -> int:
        nonlocal work
        work = 0
        ask()
        return work

    for each in (connection, queue._database._reader):
        each.set_progress_handler(tick, 1000)
    asks = [queue.waiting, queue.line, lambda: queue.count(State.RUNNING), lambda: queue.list("bob", limit=5)]
    asks.append(lambda: queue.list(limit=5))
    asks.append(lambda: queue.list("ann", limit=5, workplace=WORKSHOP))
    asks.append(lambda: queue.list("ann", limit=5, workplace=DEVICE))
    before = [cost(ask) for ask in asks]
    connection.execute(
        """
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000)
        INSERT INTO jobs (id, owner, task, request, state, created, place, started, ended)
        SELECT 'old' || i, 'ann', 'txt2img', jobs.request, 'done', i / 100.0, i, i / 100.0, i / 100.0
        FROM n, jobs WHERE jobs.id = 'job1'
        """
    )
    assert all(now <= then + 2 for now, then in zip([cost(ask) for ask in asks], before, strict=True))


def test_positions_and_counts_are_the_lines(queue: Queue, make_job: MakeJob) -> None:
    jobs = [make_job("ann"), make_job("ann"), make_job("bob")]
    for job in jobs:
        queue.put(job)
    assert queue.positions() == {job.id: place for place, job in enumerate(queue.waiting())}
    assert queue.positions()[jobs[2].id] == queue.position(jobs[2].id) == 1
    assert (queue.count(State.QUEUED), queue.count(State.QUEUED, "ann"), queue.count(State.RUNNING)) == (3, 2, 0)


def test_the_line_is_cleared_for_one_or_for_all_at_once(queue: Queue, make_job: MakeJob) -> None:
    ann, bob, running = make_job("ann"), make_job("bob"), make_job("ann")
    for job in (ann, bob, running):
        queue.put(job)
    queue.start(running.id)
    for job in (ann, running):
        queue.reserve(job.id, [(0, 7, f"{job.id}.png")])
    ((cleared, unused),) = queue.cancel_waiting("ann")
    assert (cleared.id, cleared.state, unused) == (ann.id, State.CANCELLED, (f"{ann.id}.png",))
    assert cleared.ended is not None and queue.reserved(ann.id) == {}
    assert [job.id for job, _ in queue.cancel_waiting()] == [bob.id]
    assert queue.cancel_waiting() == []
    assert queue.get(running.id).state is State.RUNNING and queue.reserved(running.id) == {0: f"{running.id}.png"}


def test_unknown_ids_are_not_found(queue: Queue) -> None:
    for ask in (queue.get, queue.start, queue.front, queue.picture, queue.restore_picture, queue.mark_interrupted):
        with pytest.raises(NotFound):
            ask("nothing")
    with pytest.raises(NotFound):
        queue.end("nothing", State.DONE)
    with pytest.raises(NotFound):
        queue.remove_picture("nothing", "a.png")


@pytest.mark.parametrize("first", ENDS)
@pytest.mark.parametrize("second", ENDS)
def test_a_job_ends_exactly_once(queue: Queue, make_job: MakeJob, first: State, second: State) -> None:
    job = make_job()
    queue.put(job)
    queue.start(job.id)
    queue.end(job.id, first)
    with pytest.raises(Conflict):
        queue.end(job.id, second)
    with pytest.raises(Conflict):
        queue.requeue(job.id, count=False, alone=False)
    with pytest.raises(Conflict):
        queue.start(job.id)
    assert queue.get(job.id).state is first


def test_an_end_keeps_its_reason_and_timings(queue: Queue, make_job: MakeJob) -> None:
    job = make_job()
    queue.put(job)
    problem = WorkerProblem("It stopped.", remedies=["Try less"]).problem()
    queue.end(job.id, State.FAILED, problem, {"queued": 0.5}, interrupted=True)
    ended = queue.get(job.id)
    assert (ended.problem, ended.timings, ended.interrupted) == (problem, {"queued": 0.5}, True)
    assert ended.ended is not None


def test_owners_take_turns(queue: Queue, make_job: MakeJob) -> None:
    for name in ("a1", "a2", "a3", "a4"):
        queue.put(make_job("ann", name))
    for name in ("b1", "b2"):
        queue.put(make_job("bob", name))
    queue.put(make_job("cy", "c1"))
    assert ids(queue.waiting()) == ["a1", "b1", "c1", "a2", "b2", "a3", "a4"]
    assert [job.id for job in queue.line()] == ids(queue.waiting())
    assert queue.position("c1") == 2
    assert ids(queue.waiting(2)) == ["a1", "b1"] and ids(queue.waiting(3, "ann")) == ["a1", "a2", "a3"]


def test_owners_take_turns_when_one_job_runs_at_a_time(tmp_path: Path, make_job: MakeJob) -> None:
    now = iter(range(10_000, 20_000))
    queue = Queue(tmp_path / "q.sqlite3", clock=lambda: float(next(now)))
    for name in ("a1", "a2", "a3"):
        queue.put(make_job("ann", name))
    for name in ("b1", "b2"):
        queue.put(make_job("bob", name))
    served = []
    while waiting := queue.waiting():
        served.append(waiting[0].id)
        queue.start(waiting[0].id)
        queue.end(waiting[0].id, State.DONE)
    assert served == ["a1", "b1", "a2", "b2", "a3"]
    queue.close()


def test_running_jobs_count_as_turns(queue: Queue, make_job: MakeJob) -> None:
    for name in ("a1", "a2", "a3"):
        queue.put(make_job("ann", name))
    queue.start("a1")
    queue.put(make_job("bob", "b1"))
    assert ids(queue.waiting()) == ["b1", "a2", "a3"]


def test_works_take_no_turns_from_pictures(tmp_path: Path, make_job: MakeJob) -> None:
    queue = Queue(tmp_path / "q.sqlite3", kinds=RequestKinds({"prune": Prune}))

    def put(owner: str, name: str, request: object) -> None:
        queue.put(replace(make_job(owner, name), **({"request": request, "task": "prune"} if request else {})))

    for name in ("w0", "w1", "w2", "w3"):
        put("ann", name, Prune(checkpoint=name))
    queue.start("w0")
    queue.start("w1")
    put("bob", "v1", Prune(checkpoint="v1"))
    put("ann", "a1", None)
    for name in ("b1", "b2"):
        put("bob", name, None)
    assert ids(queue.waiting(workplace=DEVICE)) == ["a1", "b1", "b2"]
    assert ids(queue.waiting(workplace=WORKSHOP)) == ["v1", "w2", "w3"], "those that run are turns there"
    for workplace in (DEVICE, WORKSHOP):
        line = [job for job in queue.line() if job.workplace == workplace]
        assert [(job.id, job.position) for job in line] == [
            (job.id, place) for place, job in enumerate(queue.waiting(workplace=workplace))
        ]
    queue.close()


def test_the_front_outranks_turns_and_the_last_moved_is_first(queue: Queue, make_job: MakeJob) -> None:
    for owner, name in (("ann", "a1"), ("bob", "b1"), ("ann", "a2"), ("ann", "a3")):
        queue.put(make_job(owner, name))
    queue.front("a2")
    queue.front("a3")
    assert ids(queue.waiting()) == ["a3", "a2", "a1", "b1"]
    queue.start("a1")
    with pytest.raises(Conflict):
        queue.front("a1")


def test_the_last_moved_is_first_also_before_one_that_ran_and_waits_again(queue: Queue, make_job: MakeJob) -> None:
    for name in ("first", "second"):
        queue.put(make_job("ann", name))
    queue.front("first")
    queue.start("first")
    queue.front("second")
    queue.recover()
    assert ids(queue.waiting()) == ["second", "first"]


def test_a_job_that_waits_again_keeps_its_place(queue: Queue, make_job: MakeJob) -> None:
    for name in ("first", "second"):
        queue.put(make_job("ann", name))
    queue.start("first")
    again = queue.requeue("first", count=True, alone=True)
    assert (again.state, again.attempts, again.alone) == (State.QUEUED, 1, True)
    queue.start("first")
    assert queue.requeue("first", count=False, alone=False).alone, "a suspect stays one"
    assert ids(queue.waiting()) == ["first", "second"]


def test_recover_puts_running_jobs_back_without_counting(queue: Queue, make_job: MakeJob) -> None:
    for name in ("ran", "waits", "ended"):
        queue.put(make_job("ann", name))
    queue.start("ran")
    queue.mark_interrupted("ran")
    queue.start("ended")
    queue.end("ended", State.DONE)
    recovered = queue.recover()
    assert ids(recovered) == ["ran"]
    assert (recovered[0].attempts, recovered[0].interrupted) == (0, True)
    assert queue.get("ended").state is State.DONE


def test_recover_cancels_what_a_script_had_asked_for_that_has_ended_badly(queue: Queue, make_job: MakeJob) -> None:
    for name in ("cancelled", "done", "runs"):
        queue.put(replace(make_job("ann", name), task=TASK, request=ScriptRequest("sheet", GenerationRequest())))
        queue.put(replace(make_job("ann", f"of {name}"), parent=name, part=0))
    queue.put(replace(make_job("ann", "ran"), parent="cancelled", part=1))
    queue.start("ran")
    queue.reserve("ran", [(0, 7, "a.png")])
    queue.start("runs")
    # As a kill between the script's end and its children's leaves them.
    queue.end("cancelled", State.CANCELLED)
    queue.end("done", State.DONE)
    assert ids(queue.recover()) == ["runs"]
    assert [child.state for child in queue.children("cancelled")] == [State.CANCELLED] * 2
    assert queue.get("ran").ended and queue.reserved("ran") == {}
    assert queue.get("of done").state is queue.get("of runs").state is State.QUEUED


def test_pause_outlives_the_process(queue: Queue) -> None:
    assert not queue.paused
    queue.paused = True
    again = Queue(queue._database.path)
    assert again.paused
    again.paused = False
    assert not queue.paused
    again.close()


def test_lists_are_newest_first_and_filtered(queue: Queue, make_job: MakeJob) -> None:
    jobs = [make_job("ann" if n % 2 else "bob", f"j{n}") for n in range(6)]
    for job in jobs:
        queue.put(job)
    queue.start("j0")
    assert ids(queue.list()) == ["j5", "j4", "j3", "j2", "j1", "j0"]
    assert ids(queue.list("ann")) == ["j5", "j3", "j1"]
    assert ids(queue.list(states=[State.RUNNING])) == ["j0"]
    assert ids(queue.list(limit=2, before=jobs[4].created)) == ["j3", "j2"]


def test_a_picture_counts_only_once_saved(queue: Queue, make_job: MakeJob) -> None:
    queue.put(make_job(id="j", n_iter=3))
    queue.reserve("j", [(0, 7, "d/00001-7.png"), (1, 8, "d/00002-8.png"), (2, 9, "d/00003-9.png")])
    assert queue.pictures() == [] and queue.get("j").pictures == ()
    row = queue.save_picture("j", saved(1, stopped_at=3))
    assert (row.path, row.owner, row.seed, row.width, row.height, row.stopped_at) == (
        "d/00002-8.png", "ann", 8, 64, 48, 3,
    )  # fmt: skip
    assert queue.save_picture("j", saved(1, infotext="other")) == row, "a second save changes nothing"
    assert queue.get("j").pictures == (row,) and queue.picture(row.id) == row
    assert queue.reserved("j") == {0: "d/00001-7.png", 2: "d/00003-9.png"} and queue.done("j") == {1}
    with pytest.raises(NotFound):
        queue.save_picture("j", saved(5))


def test_a_deleted_picture_is_off_the_lists_but_not_made_again(queue: Queue, make_job: MakeJob) -> None:
    queue.put(make_job(id="j"))
    queue.reserve("j", [(0, 7, "p.png")])
    row = queue.save_picture("j", saved(0))
    queue.remove_picture(row.id, row.path)
    assert queue.pictures() == [] and queue.get("j").pictures == ()
    assert queue.done("j") == {0}
    with pytest.raises(NotFound):
        queue.remove_picture(row.id, row.path)


def test_pages_of_pictures_leave_none_out(tmp_path: Path, make_job: MakeJob) -> None:
    queue = Queue(tmp_path / "q.sqlite3", clock=lambda: 5000.0)  # a clock that stands still
    queue.put(make_job(id="j", n_iter=7))
    queue.reserve("j", [(n, n, f"{n}.png") for n in range(7)])
    rows = [queue.save_picture("j", saved(n)) for n in range(7)]
    seen, before = [], None
    while page := queue.pictures("ann", limit=3, before=before):
        seen += page
        before = page[-1].created
    assert seen == rows[::-1]
    queue.close()


def test_search_finds_all_words_and_takes_signs_literally(queue: Queue, make_job: MakeJob) -> None:
    texts = ("a Red circle 100%", "a red square", "blue_circle", "ÄRGER im CAFE\u0301, Große Straße, МОСКВА")
    queue.put(make_job(id="j", n_iter=4))
    queue.reserve("j", [(n, n, f"{n}.png") for n in range(4)])
    for n, text in enumerate(texts):
        queue.save_picture("j", saved(n, infotext=text))

    def found(search: str) -> list[str]:
        return [p.infotext for p in queue.pictures(search=search)]

    assert found("red") == ["a red square", "a Red circle 100%"]
    assert found("circle red") == ["a Red circle 100%"]
    assert found("%") == ["a Red circle 100%"] and found("_") == ["blue_circle"]
    assert found("'; DROP TABLE jobs") == []
    for word in ("ärger", "café", "CAFE\u0301", "STRASSE", "москва", "Straße  Москва"):
        assert found(word) == [texts[3]], word
    assert found("arger") == []
    assert queue.pictures("bob") == []


def test_an_end_forgets_unused_reservations(queue: Queue, make_job: MakeJob) -> None:
    queue.put(make_job(id="j", n_iter=2))
    queue.reserve("j", [(0, 7, "0.png"), (1, 8, "1.png")])
    queue.save_picture("j", saved(0))
    queue.end("j", State.CANCELLED)
    assert queue.reserved("j") == {} and queue.done("j") == {0}


def test_many_threads_accept_and_start_each_job_once(queue: Queue, make_job: MakeJob) -> None:
    started: list[str] = []

    def work(part: int) -> None:
        for n in range(10):
            queue.put(make_job(f"owner{part}", f"{part}-{n}"))
        while waiting := queue.waiting(limit=3):
            for job in waiting:
                try:
                    started.append(queue.start(job.id).id)
                except Conflict:
                    continue

    threads = [threading.Thread(target=work, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(started) == sorted(f"{part}-{n}" for part in range(4) for n in range(10))
