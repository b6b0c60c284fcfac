"""The native API under /api/v1: thin routes over the service, one module for each thing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter

from webui.web.api import (
    captions,
    catalogues,
    events,
    extension_routes,
    extensions,
    jobs,
    model_works,
    models,
    owner,
    pictures,
    prompts,
    queue,
    scripts,
    workers,
)
from webui.web.schemas import ProblemOut

if TYPE_CHECKING:
    from webui.service import Service
    from webui.web.identity import Access

PREFIX = "/api/v1"

_SCHEMA = f"#/components/schemas/{ProblemOut.__name__}"

# Shown in the OpenAPI document for every route; the bodies are made in problems.py.
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": text, "content": {"application/problem+json": {"schema": {"$ref": _SCHEMA}}}}
    for status, text in (
        (400, "The request cannot be read."),
        (401, "Nobody has signed in."),
        (403, "Not allowed."),
        (404, "Not found, or somebody else's."),
        (409, "Not possible now."),
        (422, "A value cannot be taken; `field` names it."),
        (429, "Too many at once."),
    )
}


def build_api(service: Service, access: Access, stop: Callable[[bool], None]) -> APIRouter:
    """All routes of the API. `stop` ends the server, and with True has it start again."""
    api = APIRouter(prefix=PREFIX, responses=_PROBLEMS)
    for router in (
        jobs.build(service),
        queue.build(service),
        events.build(service),
        pictures.build(service),
        captions.build(service),
        catalogues.build(service),
        prompts.build(service),
        models.build(service),
        model_works.build(service),
        scripts.build(service),
        extension_routes.build(service),
        workers.build(service),
        extensions.build(service, access),
        owner.build(service, access, stop),
    ):
        api.include_router(router)
    return api
