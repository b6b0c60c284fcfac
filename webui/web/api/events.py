"""What happens to jobs, as server-sent events: `id` is the event's number, `event` its name, `data` its JSON."""

from __future__ import annotations

import asyncio
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
MODELS = "models"
"""The name of the event that is of no job."""

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
        models: Annotated[bool, Query(description="Also say when there are other models than before")] = False,
    ) -> EventSourceResponse:
        """All the asker's jobs, without end."""
        news = service.cards.news.follow() if models else None
        return _stream(service.follow(who, None, _number(last_event_id, after), everyone), who, news)

    return router


def _stream(
    envelopes: AsyncIterator[Envelope], who: Identity, news: AsyncIterator[int] | None = None
) -> EventSourceResponse:
    async def events() -> AsyncIterator[ServerSentEvent]:
        # Says at once that the connection stands, also to proxies that wait for a first byte.
        yield ServerSentEvent(comment="here", retry=RETRY_MILLISECONDS)
        told = _of_jobs(envelopes, who)
        async for event in told if news is None else _merged(told, _of_models(news)):
            yield event

    return EventSourceResponse(events(), ping=HEARTBEAT_SECONDS, sep="\n")


async def _of_jobs(envelopes: AsyncIterator[Envelope], who: Identity) -> AsyncIterator[ServerSentEvent]:
    async for envelope in envelopes:
        data = json.dumps(event_view(envelope, who), ensure_ascii=False)
        yield ServerSentEvent(data=data, event=envelope.event.name, id=str(envelope.seq))


async def _of_models(news: AsyncIterator[int]) -> AsyncIterator[ServerSentEvent]:
    """Without an id, so that the number of the last event stays one of a job's."""
    async for revision in news:
        yield ServerSentEvent(data=json.dumps({"event": MODELS, "revision": revision}), event=MODELS)


async def _merged(*streams: AsyncIterator[ServerSentEvent]) -> AsyncIterator[ServerSentEvent]:
    """What comes of each, in the order that it comes; whoever closes this closes all of them."""
    waiting = {_next_of(stream): stream for stream in streams}
    try:
        while waiting:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                stream = waiting.pop(task)
                event = task.result()
                if event is not None:
                    waiting[_next_of(stream)] = stream
                    yield event
    finally:
        for task in waiting:
            task.cancel()


def _next_of(stream: AsyncIterator[ServerSentEvent]) -> asyncio.Task[ServerSentEvent | None]:
    """The stream's next event, None at its end."""

    async def found() -> ServerSentEvent | None:
        return await anext(stream, None)

    return asyncio.create_task(found())


def _number(header: str | None, query: str | None) -> int | None:
    """The number of the last event seen; the header is newer, since a browser sends it when it comes back."""
    text = header or query
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise InvalidField("The last event's number is a whole number, as it came in the stream.", field="after")
    return int(text)
