"""Scripts of extensions: which there are, and how one is started."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response

from webui.web.access import Who
from webui.web.api.views import job_view
from webui.web.bodies import describe, read_object
from webui.web.field_schemas import request_model
from webui.web.schemas import JobOut
from webui.web.script_schemas import ScriptsOut

if TYPE_CHECKING:
    from webui.service import Service


def build(service: Service) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["scripts"])
    body = request_model(service.fields)

    @router.get("/scripts", response_model=ScriptsOut)
    async def list_scripts(who: Who) -> Any:
        """The scripts of extensions that the asker may start."""
        rows = service.scripts.rows_for(who)
        return {"scripts": [{"name": r.name, "title": r.title, "extension": r.extension} for r in rows]}

    @router.post("/scripts/{name}", status_code=201, response_model=JobOut, openapi_extra=describe(body))
    async def start_script(name: str, request: Request, response: Response, who: Who) -> Any:
        """Start a script with a request, as POST /jobs takes one; its job asks for others, whose `parent` it is."""
        job = await service.scripts.submit(name, await read_object(request), who)
        response.headers["Location"] = f"{request.scope.get('root_path', '')}/api/v1/jobs/{job.id}"
        return job_view(job, who, service, request)

    return router
