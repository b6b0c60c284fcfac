"""Addresses that extensions have brought."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from webui.core.asked import Reply
from webui.core.errors import ExtensionProblem
from webui.web.access import Who
from webui.web.bodies import read_object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from webui.core.job import Identity
    from webui.service import Service


def build(service: Service) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["extensions"])

    async def answer(extension: str, name: str, method: str, values: Mapping[str, Any], who: Identity) -> Response:
        found = await service.extension_routes.answer(extension, name, method, values, who)
        if isinstance(found, Reply):
            return Response(found.data, media_type=found.media_type)
        try:
            return JSONResponse(found)
        except (TypeError, ValueError) as error:
            raise ExtensionProblem(f"The extension '{extension}' answered {name} with what is no JSON.") from error

    @router.get("/x/{extension}/{name}")
    async def ask_extension(extension: str, name: str, request: Request, who: Who) -> Response:
        """Ask an extension; the query's values are handed to it."""
        return await answer(extension, name, "GET", dict(request.query_params), who)

    @router.post("/x/{extension}/{name}")
    async def tell_extension(extension: str, name: str, request: Request, who: Who) -> Response:
        """Tell an extension something: the values of the body's object are handed to it."""
        return await answer(extension, name, "POST", await read_object(request), who)

    return router
