"""The line that jobs wait in."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request

from webui.web.access import Who
from webui.web.api.views import job_views
from webui.web.schemas import ClearedOut, QueueOut

if TYPE_CHECKING:
    from webui.service import Service


def build(service: Service) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["queue"])

    @router.get("/queue", response_model=QueueOut)
    async def get_queue(request: Request, who: Who) -> Any:
        """The line in numbers, and the first 200 jobs in it: everybody's for the owner, else the asker's own."""
        jobs = await asyncio.to_thread(service.jobs_in_line, who)
        return {**service.line(), "jobs": job_views(jobs, who, service, request)}

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
