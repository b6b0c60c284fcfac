"""Jobs and pictures as the database's rows have them."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from webui.core.errors import DarkroomError, Problem
from webui.core.job import Job, State, StoredPicture
from webui.core.job_request import JobRequest, RequestKinds
from webui.core.model_work import Made


def job_of(row: sqlite3.Row, pictures: tuple[StoredPicture, ...], kinds: RequestKinds) -> Job:
    """The job of a row of the table."""
    problem = Problem.from_json(json.loads(row["problem"])) if row["problem"] else None
    request, unreadable = _request(row["task"], row["request"], kinds)
    if not State(row["state"]).ended:
        problem = problem or unreadable
    return Job(
        id=row["id"],
        owner=row["owner"],
        request=request,
        state=State(row["state"]),
        created=row["created"],
        place=row["place"],
        task=row["task"],
        started=row["started"],
        ended=row["ended"],
        attempts=row["attempts"],
        alone=bool(row["alone"]),
        interrupted=bool(row["interrupted"]),
        problem=problem,
        pictures=pictures,
        timings=json.loads(row["timings"]) if row["timings"] else None,
        result=Made.from_json(json.loads(row["result"])) if row["result"] else None,
        parent=row["parent"],
        part=row["part"],
    )


def _request(task: str, text: str, kinds: RequestKinds) -> tuple[JobRequest, Problem | None]:
    """The stored request; for one that this version cannot read what stands for it, and why."""
    data: Any = None
    try:
        data = json.loads(text)
        return kinds.read(task, data), None
    except (DarkroomError, ValueError, TypeError) as error:
        reason = error.detail if isinstance(error, DarkroomError) else "It is damaged."
        return kinds.unreadable(task, data, reason)


def picture_of(row: sqlite3.Row) -> StoredPicture:
    """The picture of a row of the table."""
    return StoredPicture(
        id=row["id"],
        job_id=row["job_id"],
        index=row["number"],
        owner=row["owner"],
        path=row["path"],
        seed=row["seed"],
        width=row["width"],
        height=row["height"],
        infotext=row["infotext"],
        created=row["created"],
        stopped_at=row["stopped_at"],
    )
