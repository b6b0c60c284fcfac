"""What happens to jobs, as server-sent events: `id` is the event's number, `event` its name, `data` its JSON."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from sse_starlette import EventSourceResponse, ServerSentEvent

from webui.core.errors import InvalidField
from webui.core.job import Identity
from webui.web.access import Who
from webui.web.api.views import event_view

if TYPE_CHECKING:
    from webui.jobs.bus import Envelope
    from webui.service import Service

HEARTBEAT_SECONDS = 15
"""Proxies close connections on which nothing was said for a minute."""
RETRY_MILLISECONDS = 1000

_SSE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {}}, "description": "Events until the job has ended, or for ever."}
}

LastEventId = Annotated[str | None, Header(alias="Last-Event-ID", description="The last event that was seen")]
After = Annotated[str | None, Query(description="The same, for those who cannot set the header")]


def build(service: Service) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["events"])

    @router.get("/jobs/{job_id}/events", response_class=Response, responses=_SSE)
    async def follow_job(
        job_id: str, who: Who, last_event_id: LastEventId = None, after: After = None
    ) -> EventSourceResponse:
        """One job: first its state so far, or what came after the last event seen; then events until it has ended."""
        return _stream(service.follow(who, job_id, _number(last_event_id, after)), who)

    @router.get("/events", response_class=Response, responses=_SSE)
    async def follow_all(
        who: Who,
        last_event_id: LastEventId = None,
        after: After = None,
        everyone: Annotated[bool, Query(description="Other people's jobs too (the owner's right)")] = False,
    ) -> EventSourceResponse:
        """All the asker's jobs, without end."""
        return _stream(service.follow(who, None, _number(last_event_id, after), everyone), who)

    return router


def _stream(envelopes: AsyncIterator[Envelope], who: Identity) -> EventSourceResponse:
    async def events() -> AsyncIterator[ServerSentEvent]:
        # Says at once that the connection stands, also to proxies that wait for a first byte.
        yield ServerSentEvent(comment="here", retry=RETRY_MILLISECONDS)
        async for envelope in envelopes:
            data = json.dumps(event_view(envelope, who), ensure_ascii=False)
            yield ServerSentEvent(data=data, event=envelope.event.name, id=str(envelope.seq))

    return EventSourceResponse(events(), ping=HEARTBEAT_SECONDS, sep="\n")


def _number(header: str | None, query: str | None) -> int | None:
    """The number of the last event seen; the header is newer, since a browser sends it when it comes back."""
    text = header or query
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise InvalidField("The last event's number is a whole number, as it came in the stream.", field="after")
    return int(text)
