"""The line that jobs wait in."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request

from webui.core.job import State
from webui.web.access import Who
from webui.web.api.views import job_views
from webui.web.schemas import ClearedOut, QueueOut

if TYPE_CHECKING:
    from webui.service import Service

_LISTED = 200
"""At most so many jobs of the line in one answer."""


def build(service: Service) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["queue"])

    @router.get("/queue", response_model=QueueOut)
    async def get_queue(request: Request, who: Who) -> Any:
        """The line in numbers, and the jobs in it: everybody's for the owner, else the asker's own."""
        states = (State.RUNNING, State.QUEUED)
        jobs = await asyncio.to_thread(service.jobs, who, states, _LISTED, None, who.is_owner)
        views = job_views(jobs, who, service, request)
        views.sort(key=lambda job: (job["position"] is not None, job["position"] or 0, job["started"] or 0))
        return {**service.line(), "jobs": views}

    @router.post("/queue/clear", response_model=ClearedOut)
    async def clear_queue(who: Who) -> Any:
        """Cancel the asker's waiting jobs; for the owner everybody's."""
        return {"cancelled": service.clear_waiting(who)}

    @router.post("/queue/pause", status_code=204)
    async def pause_queue(who: Who) -> None:
        """Start no more jobs until the queue is resumed, also over a restart."""
        service.pause(who)

    @router.post("/queue/resume", status_code=204)
    async def resume_queue(who: Who) -> None:
        """Start jobs again."""
        service.resume(who)

    return router
