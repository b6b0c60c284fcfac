"""Works on models: each is a job in the line. The owner's alone."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from webui.core.job import Identity
from webui.core.model_work import Convert, Download, Merge, Prune
from webui.engine.work.download.fetch import FetchFiles
from webui.web.access import Who
from webui.web.api.views import job_view
from webui.web.bodies import body_of, describe, read_object
from webui.web.schemas import JobOut
from webui.web.work_schemas import LookOut, TokenRequest, work_model

if TYPE_CHECKING:
    from webui.service import Service


def build(service: Service) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["works on models"])
    download = work_model("download", Download)

    async def submit(work: str, request: Request, response: Response, who: Identity) -> Any:
        job = await service.works.submit(work, await read_object(request), who)
        response.headers["Location"] = f"{request.scope.get('root_path', '')}/api/v1/jobs/{job.id}"
        return job_view(job, who, service, request)

    @router.post(
        "/models/merge", status_code=201, response_model=JobOut, openapi_extra=describe(work_model("merge", Merge))
    )
    async def merge_models(request: Request, response: Response, who: Who) -> Any:
        """One new checkpoint of up to three."""
        return await submit("merge", request, response, who)

    @router.post(
        "/models/convert",
        status_code=201,
        response_model=JobOut,
        openapi_extra=describe(work_model("convert", Convert)),
    )
    async def convert_model(request: Request, response: Response, who: Who) -> Any:
        """The same model in another form or precision."""
        return await submit("convert", request, response, who)

    @router.post(
        "/models/prune", status_code=201, response_model=JobOut, openapi_extra=describe(work_model("prune", Prune))
    )
    async def prune_model(request: Request, response: Response, who: Who) -> Any:
        """A file without what nothing reads."""
        return await submit("prune", request, response, who)

    @router.post("/models/download", status_code=201, response_model=JobOut, openapi_extra=describe(download))
    async def download_model(request: Request, response: Response, who: Who) -> Any:
        """Fetch a model from the hub, from CivitAI or from any address."""
        return await submit("download", request, response, who)

    @router.post("/models/works/{work}", status_code=201, response_model=JobOut)
    async def do_work(work: str, request: Request, response: Response, who: Who) -> Any:
        """A work by its name: these four, and those of extensions."""
        return await submit(work, request, response, who)

    @router.post("/models/look", response_model=LookOut, openapi_extra=describe(download))
    async def look_at_model(request: Request, who: Who) -> Any:
        """What a download would fetch, how large, under which licence, and where to; nothing is fetched."""
        return _looked(await service.works.look(await read_object(request), who))

    @router.put("/models/tokens", status_code=204, openapi_extra=describe(TokenRequest))
    async def keep_token(who: Who, body: Annotated[TokenRequest, Depends(body_of(TokenRequest))]) -> None:
        """Keep a token for a server, to download by; no route ever tells one."""
        await service.works.keep_token(body.host, body.token, who)

    return router


def _looked(files: FetchFiles) -> dict[str, Any]:
    found = files.found
    return {
        "name": found.name,
        "kind": found.kind,
        "size_bytes": found.size,
        "files": len(found.files),
        "sha256": found.files[0].sha256 if len(found.files) == 1 else "",
        "licence": found.licence,
        "page": found.page,
        "trained_words": list(found.trained_words),
        "target": str(files.target),
        "is_there": os.path.lexists(files.target),
    }
