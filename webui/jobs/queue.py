"""The durable queue: jobs, their pictures and the waiting line, as rows that outlive every process."""

from __future__ import annotations

import json
import secrets
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from webui.core.errors import Conflict, NotFound, Problem
from webui.core.events import Picture
from webui.core.job import Job, State, StoredPicture
from webui.core.job_request import RequestKinds
from webui.core.model_work import WORKSHOP, Made
from webui.jobs import statements as sql
from webui.jobs.database import Database
from webui.jobs.rows import job_of, picture_of
from webui.jobs.schema import MIGRATIONS, Migration

Clock = Callable[[], float]
# Queue has a method `list`, which hides the type inside the class.
Jobs = list[Job]
Pictures = list[StoredPicture]
Line = list["Waiting"]
Cancelled = list[tuple[Job, tuple[str, ...]]]
_RECENT_SECONDS = 3600.0


class Waiting(NamedTuple):
    """A waiting job: its position counts from 0 among those of its workplace, which wait for one another."""

    id: str
    owner: str
    workplace: str
    position: int
    parent: str | None = None
    """The script's job that asked for it."""


class Queue:
    """Jobs and pictures in one SQLite file. Synchronous and safe to call from any thread.

    Every method that writes is one transaction; it raises StorageProblem when the disk says no, and then nothing of it
    has happened. What was promised to a person (accepted, saved, ended) is flushed to the disk before the method
    returns. What a restart finds out by itself (started, reserved, waits again) is not waited for: a killed process
    loses none of it either, and after a power cut the job starts over. `message` tells of a damaged file set aside.
    """

    def __init__(
        self,
        path: Path,
        clock: Clock = time.time,
        migrations: Sequence[Migration] = MIGRATIONS,
        kinds: RequestKinds | None = None,
    ) -> None:
        """kinds: of the requests that are not for pictures."""
        self._database = Database(path, migrations)
        self._clock = clock
        self._kinds = kinds or RequestKinds()

    @property
    def message(self) -> str | None:
        """A sentence about the database for the owner, or None."""
        return self._database.message

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    # Jobs

    def put(self, job: Job) -> None:
        """Accept a waiting job, or note one that was refused. Raises Conflict for an id that is there already."""
        values = {
            "id": job.id,
            "owner": job.owner,
            "task": job.task,
            "request": job.request.dumps(),
            "state": job.state,
            "created": job.created,
            "place": job.place,
            "alone": job.alone,
            "parent": job.parent,
            "part": job.part,
            "ended": job.ended,
            "problem": _dumped(job.problem),
        }
        try:
            with self._database.transaction() as connection:
                connection.execute(sql.PUT, values)
        except sqlite3.IntegrityError as error:
            raise Conflict(f"There is a job '{job.id}' already.") from error

    def get(self, job_id: str) -> Job:
        """The job with its pictures; raises NotFound."""
        found = self._jobs(sql.GET, {"id": job_id})
        if not found:
            raise NotFound("There is no such job.")
        return found[0]

    def children(self, job_id: str) -> Jobs:
        """The jobs that a script's job has asked for, in the order in which it did."""
        return self._jobs(sql.CHILDREN, {"parent": job_id})

    def list(
        self,
        owner: str | None = None,
        states: Collection[State] = (),
        limit: int = 100,
        before: float | None = None,
        workplace: str | None = None,
    ) -> Jobs:
        """Jobs, newest first; of one owner, in these states, created before `before`, of one workplace, where given."""
        are_works = None if workplace is None else workplace == WORKSHOP
        values = {
            "works": json.dumps(self._kinds.tasks(WORKSHOP)),
            "owner": owner,
            "states": json.dumps([str(state) for state in states]) if states else None,
            "limit": limit,
            "before": before,
        }
        statement = sql.listing(owner is not None, bool(states), are_works)
        return self._with_pictures(self._database.search(statement, values))

    def waiting(self, limit: int = 1000, owner: str | None = None, workplace: str | None = None) -> Jobs:
        """The waiting jobs in the order in which they will be taken up; one owner's, of one workplace, where given.

        Jobs moved to the front come first. Then owners take turns, at each workplace for itself: who has fewest running
        there, was served there longest ago, came first. One with a `problem` cannot be run: its request is of another
        version of the program.
        """
        values = {
            "since": self._clock() - _RECENT_SECONDS,
            "owner": owner,
            "limit": limit,
            "works": json.dumps(self._kinds.tasks(WORKSHOP)),
            "place_kind": None if workplace is None else sql.KINDS.index(workplace),
        }
        return self._jobs(sql.WAITING, values)

    def line(self) -> Line:
        """All waiting jobs, in the order of `waiting`."""
        works = json.dumps(self._kinds.tasks(WORKSHOP))
        values = {"since": self._clock() - _RECENT_SECONDS, "owner": None, "works": works, "place_kind": None}
        line, numbers = [], Counter[str]()
        for row in self._database.rows(sql.LINE, values):
            workplace = sql.KINDS[row["place_kind"]]
            line.append(Waiting(row["id"], row["owner"], workplace, numbers[workplace], row["parent"]))
            numbers[workplace] += 1
        return line

    def positions(self) -> dict[str, int]:
        """The places of all waiting jobs in the line of their workplace, from 0, by id."""
        return {job.id: job.position for job in self.line()}

    def position(self, job_id: str) -> int:
        """The job's place in the line, from 0; 0 also for one that waits no more."""
        return self.positions().get(job_id, 0)

    def count(self, state: State, owner: str | None = None) -> int:
        """How many jobs are in this state; of one owner, where given."""
        number: int = self._database.rows(sql.COUNT, {"state": state, "owner": owner})[0]["number"]
        return number

    def count_of_task(self, task: str, owner: str) -> int:
        """How many jobs of this task and owner wait or run."""
        number: int = self._database.rows(sql.COUNT_OF_TASK, {"task": task, "owner": owner})[0]["number"]
        return number

    def start(self, job_id: str) -> Job:
        """A waiting job is taken up. Raises Conflict when it does not wait."""
        self._change(sql.START, {"id": job_id, "now": self._clock()}, "is not waiting", flush=False)
        return self.get(job_id)

    def requeue(self, job_id: str, *, count: bool, alone: bool) -> Job:
        """A running job waits again, at its old place. `count` adds an attempt; `alone` keeps it apart from now on."""
        self._change(sql.REQUEUE, {"id": job_id, "count": count, "alone": alone}, "is not running", flush=False)
        return self.get(job_id)

    def mark_interrupted(self, job_id: str) -> None:
        """Somebody asked a running job to end early; kept, so that a run after a crash ends early too."""
        self._change(sql.INTERRUPT, {"id": job_id}, "is not running")

    def end(
        self,
        job_id: str,
        state: State,
        problem: Problem | None = None,
        timings: Mapping[str, float] | None = None,
        interrupted: bool = False,
        result: Made | None = None,
    ) -> Job:
        """The job ends, once: raises Conflict when it has ended. Reserved paths that were not used are forgotten.

        `interrupted`: something was left out or cut short because somebody asked for it. `result`: see core/job.py.
        """
        if not state.ended:
            raise ValueError(f"{state} is not the end of a job")
        values = {
            "id": job_id,
            "state": state,
            "now": self._clock(),
            "problem": _dumped(problem),
            "timings": json.dumps(dict(timings)) if timings is not None else None,
            "interrupted": interrupted,
            "result": json.dumps(result.to_json(), ensure_ascii=False) if result else None,
        }
        self._change(sql.END, values, "has already ended", sql.FORGET_RESERVED)
        return self.get(job_id)

    def cancel_waiting(self, owner: str | None = None) -> Cancelled:
        """Cancel all waiting jobs, or one owner's, at once: each with the reserved paths that it will not use."""
        unused: dict[str, list[str]] = {}
        with self._database.transaction() as connection:
            found = connection.execute(sql.CANCEL_WAITING, {"owner": owner, "now": self._clock()}).fetchall()
            ids = json.dumps([row["id"] for row in found])
            for row in connection.execute(sql.FORGET_RESERVED_OF_JOBS, {"ids": ids}).fetchall():
                unused.setdefault(row["job_id"], []).append(row["path"])
        return [(job, tuple(unused.get(job.id, ()))) for job in self._jobs(sql.JOBS, {"ids": ids})]

    def front(self, job_id: str) -> None:
        """Move a waiting job before all others, whoever's they are. Raises Conflict when it does not wait."""
        self._change(sql.FRONT, {"id": job_id}, "is not waiting")

    def recover(self) -> Jobs:
        """After a start: jobs that were running when the last process ended wait again; no attempt is counted.

        What a script had asked for whose own job has ended badly meanwhile is cancelled, and its paths are forgotten.
        """
        with self._database.transaction() as connection:
            ids = [row["id"] for row in connection.execute(sql.RECOVER, {}).fetchall()]
            orphans = [row["id"] for row in connection.execute(sql.CANCEL_ORPHANS, {"now": self._clock()}).fetchall()]
            connection.execute(sql.FORGET_RESERVED_OF_JOBS, {"ids": json.dumps(orphans)}).fetchall()
        return [self.get(job_id) for job_id in ids if job_id not in orphans]

    @property
    def name(self) -> str:
        """What tells this database from every other, made with it: 16 hexadecimal digits."""
        with self._database.transaction() as connection:
            connection.execute(sql.ADD_FACT, {"name": "name", "value": secrets.token_hex(8)})
        return self._fact("name", "")

    @property
    def swept(self) -> float:
        """When reservations without a row were last cleared away, in Unix seconds; 0 for never."""
        return float(self._fact("swept", "0"))

    @swept.setter
    def swept(self, value: float) -> None:
        self._set_fact("swept", str(value))

    # The line

    @property
    def paused(self) -> bool:
        """Whether no further job is taken up; kept over a restart."""
        return self._fact("paused", "no") == "yes"

    @paused.setter
    def paused(self, value: bool) -> None:
        self._set_fact("paused", "yes" if value else "no")

    def _fact(self, name: str, default: str) -> str:
        found = self._database.rows(sql.FACT, {"name": name})
        return found[0]["value"] if found else default

    def _set_fact(self, name: str, value: str) -> None:
        with self._database.transaction() as connection:
            connection.execute(sql.SET_FACT, {"name": name, "value": value})

    # Pictures

    def reserve(self, job_id: str, pictures: Iterable[tuple[int, int, str]]) -> None:
        """Note paths for pictures to come: (index, seed, path relative to the outputs folder)."""
        values = [
            {"id": secrets.token_hex(12), "job_id": job_id, "number": number, "seed": seed, "path": path}
            for number, seed, path in pictures
        ]
        with self._database.transaction(flush=False) as connection:
            connection.executemany(sql.RESERVE, values)

    def reserved(self, job_id: str) -> dict[int, str]:
        """Paths by index of the pictures that are still to be saved."""
        found = self._database.rows(sql.PICTURES_OF, {"job_id": job_id})
        return {row["number"]: row["path"] for row in found if row["state"] == "reserved"}

    def all_reserved(self) -> frozenset[str]:
        """The paths of all pictures that are still to be saved."""
        return frozenset(row["path"] for row in self._database.rows(sql.ALL_RESERVED, {}))

    def done(self, job_id: str) -> frozenset[int]:
        """Indexes of the pictures that were saved, those deleted since included: none of them is made again."""
        found = self._database.rows(sql.PICTURES_OF, {"job_id": job_id})
        return frozenset(row["number"] for row in found if row["state"] != "reserved")

    def save_picture(self, job_id: str, picture: Picture) -> StoredPicture:
        """Mark a reserved picture as saved, after its file is whole on the disk. A second time changes nothing."""
        values = {
            "job_id": job_id,
            "number": picture.index,
            "width": picture.width,
            "height": picture.height,
            "infotext": picture.infotext,
            "stopped_at": picture.stopped_at,
            "now": self._clock(),
        }
        with self._database.transaction() as connection:
            connection.execute(sql.SAVE_PICTURE, values)
            found = connection.execute(sql.PICTURE_AT, {"job_id": job_id, "number": picture.index}).fetchone()
        if found is None:
            raise NotFound(f"Picture {picture.index} of job '{job_id}' has no reserved path.")
        return picture_of(found)

    def pictures(
        self, owner: str | None = None, limit: int = 60, before: float | None = None, search: str = ""
    ) -> Pictures:
        """Saved pictures, newest first; `search`: all its words are in the infotext, whatever their case."""
        words = json.dumps(search.split()) if search.strip() else None
        values = {"owner": owner, "limit": limit, "before": before, "words": words}
        return [picture_of(row) for row in self._database.search(sql.PICTURES, values)]

    def picture(self, picture_id: str, *, removed: bool = False) -> StoredPicture:
        """One saved picture, or one that was taken off the lists; raises NotFound."""
        found = self._database.rows(sql.PICTURE, {"id": picture_id, "state": "removed" if removed else "saved"})
        if not found:
            raise NotFound("There is no such picture.")
        return picture_of(found[0])

    def remove_picture(self, picture_id: str, path: str) -> None:
        """Take a picture off the lists, noting its path in the bin; raises NotFound when it is on none."""
        self._change_picture(sql.REMOVE_PICTURE, {"id": picture_id, "path": path})

    def restore_picture(self, picture_id: str) -> None:
        """Put a picture on the lists again, where it was; raises NotFound unless it was taken off."""
        self._change_picture(sql.RESTORE_PICTURE, {"id": picture_id})

    def _change_picture(self, statement: str, values: dict[str, Any]) -> None:
        with self._database.transaction() as connection:
            if connection.execute(statement, values).rowcount == 0:
                raise NotFound("There is no such picture.")

    def _change(self, statement: str, values: dict[str, Any], why_not: str, *then: str, flush: bool = True) -> None:
        with self._database.transaction(flush) as connection:
            if connection.execute(statement, values).rowcount == 0:
                self.get(values["id"])
                raise Conflict(f"This job {why_not}.")
            for following in then:
                connection.execute(following, values)

    def _jobs(self, statement: str, values: dict[str, Any]) -> Jobs:
        return self._with_pictures(self._database.rows(statement, values))

    def _with_pictures(self, rows: Sequence[sqlite3.Row]) -> Jobs:
        ids = json.dumps([row["id"] for row in rows])
        pictures: dict[str, list[StoredPicture]] = {}
        for row in self._database.rows(sql.PICTURES_OF_JOBS, {"ids": ids}) if rows else ():
            pictures.setdefault(row["job_id"], []).append(picture_of(row))
        return [job_of(row, tuple(pictures.get(row["id"], ())), self._kinds) for row in rows]


def _dumped(problem: Problem | None) -> str | None:
    return json.dumps(problem.to_json(), ensure_ascii=False) if problem else None
