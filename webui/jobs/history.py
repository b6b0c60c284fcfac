"""What is known of a job, told as the events that lead to its present state."""

from __future__ import annotations

from webui.core.errors import Problem
from webui.core.events import Cancelled, Event, Failed, Finished, ImageReady, Queued
from webui.core.job import Job, State, StoredPicture
from webui.jobs.queue import Queue


class Recall:
    """Tells the bus of jobs that it does not remember, from their rows."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    def __call__(self, job_id: str) -> tuple[str, list[Event]]:
        """(owner, events) of a job; raises NotFound."""
        job = self._queue.get(job_id)
        return job.owner, events_of(job)


def events_of(job: Job, position: int = 0, reason: str = "") -> list[Event]:
    """The job's events so far: its place in the line while it waits, its saved pictures, its end."""
    events: list[Event] = [Queued(position, reason)] if job.state is State.QUEUED else []
    events += [image_event(picture) for picture in job.pictures]
    if job.state.ended:
        events.append(end_event(job))
    return events


def image_event(picture: StoredPicture) -> ImageReady:
    """The event that says that this picture is saved."""
    return ImageReady(
        picture.index,
        picture.id,
        picture.seed,
        picture.width,
        picture.height,
        picture.infotext,
        picture.stopped_at,
    )


def end_event(job: Job) -> Finished | Failed | Cancelled:
    """The event that says how this job ended."""
    if job.state is State.DONE:
        return Finished(len(job.pictures), job.interrupted, dict(job.timings or {}), job.result)
    if job.state is State.FAILED:
        unknown = Problem("error", "Something went wrong", "The reason was not recorded.")
        return Failed(job.problem or unknown)
    return Cancelled()
