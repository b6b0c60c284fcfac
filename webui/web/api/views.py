"""Jobs, pictures and events as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from fastapi import Request

from webui.core import infotext
from webui.core.events import Finished, ImageReady, event_to_json
from webui.core.job import Identity, Job, State, StoredPicture
from webui.core.model_work import Made

if TYPE_CHECKING:
    from webui.jobs.bus import Envelope
    from webui.service import Service


def job_views(jobs: Sequence[Job], who: Identity, service: Service, request: Request) -> list[dict[str, Any]]:
    """See schemas.JobOut."""
    positions = service.positions() if any(job.state is State.QUEUED for job in jobs) else {}
    return [_job_view(job, who, positions.get(job.id, 0), service, request) for job in jobs]


def job_view(job: Job, who: Identity, service: Service, request: Request) -> dict[str, Any]:
    """See schemas.JobOut."""
    return job_views([job], who, service, request)[0]


def _job_view(job: Job, who: Identity, position: int, service: Service, request: Request) -> dict[str, Any]:
    return {
        **job.to_json(),
        "result": _result(job.result, who),
        "mine": job.owner == who.id,
        "position": position if job.state is State.QUEUED else None,
        "reason": service.reason(job),
        "notes": service.notes(job),
        "pictures": [picture_view(picture, request) for picture in job.pictures],
    }


def picture_view(picture: StoredPicture, request: Request) -> dict[str, Any]:
    """See schemas.PictureOut. Where the file lies on the disk stays inside."""
    address = f"{request.scope.get('root_path', '')}/api/v1/pictures/{picture.id}"
    return {
        "id": picture.id,
        "job_id": picture.job_id,
        "index": picture.index,
        "seed": picture.seed,
        "width": picture.width,
        "height": picture.height,
        "infotext": picture.infotext,
        **_read(picture.infotext),
        "created": picture.created,
        "stopped_at": picture.stopped_at,
        "name": PurePosixPath(picture.path).name,
        "url": f"{address}/file",
        "thumb": f"{address}/thumb?side=256",
    }


def event_view(envelope: Envelope, who: Identity) -> dict[str, Any]:
    """One event's data in the stream; a picture's infotext is read as in schemas.PictureOut."""
    event = envelope.event
    read = _read(event.infotext) if isinstance(event, ImageReady) else {}
    if isinstance(event, Finished):
        read = {"result": _result(event.result, who)}
    return {"job": envelope.job_id, "mine": envelope.owner == who.id, **event_to_json(event), **read}


def _result(made: Made | None, who: Identity) -> dict[str, str] | None:
    """What a work has made; where it lies is the owner's to know."""
    return made.to_json(with_path=who.is_owner) if made else None


# Prompts may be long: so many are some tens of megabytes at most.
@lru_cache(maxsize=512)
def _read(text: str) -> dict[str, Any]:
    """What an infotext says, for a person to read; lists of jobs show the same pictures again and again."""
    parsed = infotext.parse(text)
    return {
        "prompt": parsed.prompt,
        "negative_prompt": parsed.negative_prompt,
        "values": [{"label": label, "value": value} for label, value in parsed.pairs],
    }
