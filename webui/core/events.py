"""What can happen to a job, as frozen values; the stream that every follower sees, and what executors yield."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar

from webui.core.errors import Problem
from webui.core.model_work import Made


@dataclass(frozen=True, slots=True)
class Queued:
    """The job waits. `position` counts from 0 (next); `reason`: why it waits again, goes first, or was passed."""

    name: ClassVar[str] = "queued"
    position: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Loading:
    """The job has been taken up; `what` says what is being done or waited for, in words to show."""

    name: ClassVar[str] = "loading"
    what: str


@dataclass(frozen=True, slots=True)
class Step:
    """Step `step` of `steps` is done (from 1), in batch `batch` of `batches` (from 1).

    `seconds_left` estimates the whole job; an engine leaves it None, the scheduler's side fills it in (jobs/eta.py).
    """

    name: ClassVar[str] = "step"
    step: int
    steps: int
    batch: int = 1
    batches: int = 1
    seconds_left: float | None = None

    @property
    def fraction(self) -> float:
        """Share of the whole job's steps that are done, 0 to 1."""
        return ((self.batch - 1) * self.steps + self.step) / (self.batches * self.steps)


@dataclass(frozen=True, slots=True)
class Progress:
    """So far is a work on models: `fraction` of 0 to 1, `words` say what is being done.

    `seconds_left`: as for Step.
    """

    name: ClassVar[str] = "progress"
    fraction: float
    words: str = ""
    seconds_left: float | None = None


@dataclass(frozen=True, slots=True)
class PreviewReady:
    """A newer preview of the job's current picture can be fetched; `version` makes its URL unique."""

    name: ClassVar[str] = "preview"
    version: int


@dataclass(frozen=True, slots=True)
class Note:
    """Something the person should know that stops nothing (a fallback that was taken)."""

    name: ClassVar[str] = "note"
    text: str


@dataclass(frozen=True, slots=True)
class ImageReady:
    """Picture `index` (from 0) is saved whole. `id` names it in URLs.

    `stopped_at` is its last step when it was cut short.
    """

    name: ClassVar[str] = "image"
    index: int
    id: str
    seed: int
    width: int
    height: int
    infotext: str
    stopped_at: int | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """The job ended well; `interrupted` when somebody stopped it early. `timings` are seconds by stage.

    `result`: the model that a work on models has made.
    """

    name: ClassVar[str] = "finished"
    pictures: int
    interrupted: bool = False
    timings: dict[str, float] = field(default_factory=dict)
    result: Made | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The job ended with a problem."""

    name: ClassVar[str] = "failed"
    problem: Problem


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The job was abandoned."""

    name: ClassVar[str] = "cancelled"


Event = Queued | Loading | Step | Progress | PreviewReady | Note | ImageReady | Finished | Failed | Cancelled
ENDS = (Finished, Failed, Cancelled)
_KINDS: dict[str, type[Any]] = {
    kind.name: kind
    for kind in (Queued, Loading, Step, Progress, PreviewReady, Note, ImageReady, Finished, Failed, Cancelled)
}


def event_to_json(event: Event) -> dict[str, Any]:
    """JSON-ready data with the event's name under 'event'."""
    return {"event": event.name, **asdict(event)}


def event_from_json(data: dict[str, Any]) -> Event:
    """The event that `event_to_json` described; what a stream adds to it is passed over."""
    names = {f.name for f in fields(_KINDS[data["event"]])}
    values = {k: v for k, v in data.items() if k in names}
    if data["event"] == Failed.name:
        values["problem"] = Problem.from_json(values["problem"])
    if values.get("result"):
        values["result"] = Made.from_json(values["result"])
    event: Event = _KINDS[data["event"]](**values)
    return event


@dataclass(frozen=True, slots=True)
class Picture:
    """What an executor yields for a finished picture: the encoded file, ready to be stored under its reserved name."""

    index: int
    seed: int
    data: bytes
    width: int
    height: int
    infotext: str
    stopped_at: int | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """What an executor yields for a preview: an encoded JPEG."""

    data: bytes


Output = Loading | Step | Progress | Note | Picture | Preview | Finished | Failed
"""What an executor may yield. Queued, ImageReady and Cancelled are the scheduler's to say."""
