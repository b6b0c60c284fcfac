"""A job: one accepted request, its owner, its state and its pictures."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from webui.core.errors import Problem
from webui.core.job_request import JobRequest
from webui.core.model_work import Made
from webui.core.request import GenerationRequest


class State(StrEnum):
    """The states of a job: queued -> running -> done | failed | cancelled; running -> queued on a restart."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing more happens to a job in this state."""
        return self in (State.DONE, State.FAILED, State.CANCELLED)


class Level(StrEnum):
    """How far somebody is trusted."""

    VISITOR = "visitor"
    USER = "user"
    OWNER = "owner"

    @property
    def rank(self) -> int:
        """0 for visitors, rising with trust."""
        return list(Level).index(self)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is asking: a stable, unguessable id (never an IP address) and a trust level."""

    id: str
    level: Level
    name: str = ""

    @property
    def is_owner(self) -> bool:
        """Whether this is the machine's owner."""
        return self.level is Level.OWNER


OWNER_ID = "owner"
LOCAL_OWNER = Identity(OWNER_ID, Level.OWNER)


@dataclass(frozen=True, slots=True)
class StoredPicture:
    """A saved picture's row. `path` is relative to the outputs folder; times are Unix seconds."""

    id: str
    job_id: str
    index: int
    owner: str
    path: str
    seed: int
    width: int
    height: int
    infotext: str
    created: float
    stopped_at: int | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """One accepted request. Times are Unix seconds; `place` orders the waiting line (smaller is earlier)."""

    id: str
    owner: str
    request: JobRequest
    state: State
    created: float
    place: float
    task: str = "txt2img"
    started: float | None = None
    ended: float | None = None
    attempts: int = 0
    alone: bool = False
    """Set when a worker died with this job: from then on it shares nothing, so that it can fail nobody else's."""
    again: bool = False
    """Whether it was begun before; said of a running job only."""
    interrupted: bool = False
    problem: Problem | None = None
    pictures: tuple[StoredPicture, ...] = ()
    timings: dict[str, float] | None = None
    result: Made | None = None
    parent: str | None = None
    """The job of the script that asked for it."""
    part: int | None = None
    """As which of that script's requests, from 0."""

    @property
    def picture_request(self) -> GenerationRequest:
        """The request of a job that makes pictures; TypeError for another's."""
        if not isinstance(self.request, GenerationRequest):
            raise TypeError(f"A job of the task {self.task} makes no pictures")
        return self.request

    def to_json(self) -> dict[str, Any]:
        """The job as the API shows it."""
        return {
            "id": self.id,
            "owner": self.owner,
            "task": self.task,
            "state": str(self.state),
            "created": self.created,
            "started": self.started,
            "ended": self.ended,
            "attempts": self.attempts,
            "interrupted": self.interrupted,
            "summary": self.request.summary,
            "request": self.request.to_json(),
            "problem": self.problem.to_json() if self.problem else None,
            "timings": self.timings,
            "result": self.result.to_json() if self.result else None,
            "parent": self.parent,
        }
