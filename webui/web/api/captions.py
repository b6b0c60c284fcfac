"""Pictures put into words: each is a job in the line, whose result has them as its text."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from webui.core.job import Identity, Job
from webui.engine.captions.captioners import GET
from webui.web.access import Who
from webui.web.api.views import job_view
from webui.web.caption_schemas import CaptionersOut
from webui.web.schemas import JobOut

if TYPE_CHECKING:
    from webui.service import Service

_BODY = {"requestBody": {"required": True, "content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}}}

CaptionerName = Annotated[str, Query(max_length=200, description="A captioner's name; empty for the first that works")]


def build(service: Service) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["captions"])

    def put(job: Job, request: Request, response: Response, who: Identity) -> Any:
        response.headers["Location"] = f"{request.scope.get('root_path', '')}/api/v1/jobs/{job.id}"
        return job_view(job, who, service, request)

    @router.get("/captioners", response_model=CaptionersOut)
    async def list_captioners(who: Who) -> Any:
        """The models that can put a picture into words."""
        found = await service.captions.captioners(who)
        return {
            "captioners": [{name: getattr(one, name) for name in ("name", "kind", "problem")} for one in found],
            "get": "" if any(one.problem is None for one in found) or not who.is_owner else GET,
        }

    @router.post("/pictures/caption", status_code=201, response_model=JobOut, openapi_extra=_BODY)
    async def caption_file(request: Request, response: Response, who: Who, captioner: CaptionerName = "") -> Any:
        """Have a picture's file described: the body is the file. It is kept until it has been looked at."""
        job = await service.captions.submit(await request.body(), "A picture that was sent", who, captioner)
        return put(job, request, response, who)

    @router.post("/pictures/{picture_id}/caption", status_code=201, response_model=JobOut)
    async def caption_picture(
        picture_id: str, request: Request, response: Response, who: Who, captioner: CaptionerName = ""
    ) -> Any:
        """Have one's own picture described."""
        path = await asyncio.to_thread(service.picture_file, picture_id, who)
        job = await service.captions.submit(path, path.name, who, captioner)
        return put(job, request, response, who)

    return router
