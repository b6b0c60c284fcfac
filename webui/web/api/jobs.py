"""Jobs: making them, looking at them, the verbs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response

from webui.core.errors import NotFound
from webui.core.job import State
from webui.web.access import Who
from webui.web.api.views import job_view, job_views
from webui.web.bodies import describe, read_object
from webui.web.field_schemas import request_model
from webui.web.schemas import JobOut, JobsOut

if TYPE_CHECKING:
    from webui.service import Service


def build(service: Service) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["jobs"])
    body = request_model(service.fields)

    @router.post("/jobs", status_code=201, response_model=JobOut, openapi_extra=describe(body))
    async def submit_job(request: Request, response: Response, who: Who) -> Any:
        """Put a request into the line. Fields left out take the checkpoint's defaults; seed -1 is drawn."""
        # The rows check the body, not its model: they tell all that is wrong at once, names included.
        job = await service.submit(await read_object(request), who)
        response.headers["Location"] = f"{request.scope.get('root_path', '')}/api/v1/jobs/{job.id}"
        return job_view(job, who, service, request)

    @router.get("/jobs", response_model=JobsOut)
    async def list_jobs(
        request: Request,
        who: Who,
        state: Annotated[list[State], Query(description="Only jobs in these states")] = [],  # noqa: B006
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        before: Annotated[
            float | None, Query(allow_inf_nan=False, description="Only jobs made before this time (Unix seconds)")
        ] = None,
        everyone: Annotated[bool, Query(description="Other people's too (the owner's right)")] = False,
        workplace: Annotated[
            Literal["device", "workshop"] | None,
            Query(description="Only what is done there: pictures on the device, works on models in the workshop"),
        ] = None,
    ) -> Any:
        """The asker's jobs, newest first."""
        found = await asyncio.to_thread(service.jobs, who, state, limit, before, everyone, workplace)
        return {
            "jobs": job_views(found, who, service, request),
            "next": found[-1].created if len(found) == limit else None,
        }

    @router.get("/jobs/{job_id}", response_model=JobOut)
    async def get_job(job_id: str, request: Request, who: Who) -> Any:
        """One job with its pictures so far."""
        return job_view(service.job(job_id, who), who, service, request)

    _add_verbs(router, service)
    return router


def _add_verbs(router: APIRouter, service: Service) -> None:
    """What can be done to a job, and seen of it while it runs."""

    @router.delete("/jobs/{job_id}", status_code=204)
    async def cancel_job(job_id: str, who: Who) -> None:
        """Abandon a job, waiting or running."""
        service.cancel(job_id, who)

    @router.post("/jobs/{job_id}/interrupt", status_code=202, response_model=JobOut)
    async def interrupt_job(job_id: str, request: Request, who: Who) -> Any:
        """Finish the current picture, then end; a second time: end at this step and keep the picture as it is."""
        service.interrupt(job_id, who)
        return job_view(service.job(job_id, who), who, service, request)

    @router.post("/jobs/{job_id}/skip", status_code=202, response_model=JobOut)
    async def skip_picture(job_id: str, request: Request, who: Who) -> Any:
        """End the current picture's batch at this step and go on with the next."""
        service.skip(job_id, who)
        return job_view(service.job(job_id, who), who, service, request)

    @router.post("/jobs/{job_id}/front", response_model=JobOut)
    async def move_to_front(job_id: str, request: Request, who: Who) -> Any:
        """Move a waiting job to the front of the line."""
        service.front(job_id, who)
        return job_view(service.job(job_id, who), who, service, request)

    @router.get("/jobs/{job_id}/preview", response_class=Response, responses=_JPEG)
    async def get_preview(
        job_id: str, who: Who, v: Annotated[int, Query(description="The version that the event named")] = 0
    ) -> Response:
        """The newest preview of a running job."""
        data = service.preview(job_id, who)
        if data is None:
            raise NotFound("There is no preview of this job now.")
        return Response(data, headers={"Cache-Control": "private, no-store"}, media_type="image/jpeg")


_JPEG: dict[int | str, dict[str, Any]] = {200: {"content": {"image/jpeg": {}}}}
