"""Static files of ours, served from memory under names that hold their content's hash; favicon and robots.txt."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from typing import Protocol

from fastapi import APIRouter, Request
from starlette.responses import Response

from webui.core.errors import NotFound

FOLDER = "/assets-darkroom"

_KEEP = "public, max-age=31536000, immutable"
_DAY = "public, max-age=86400"

# A frame with the picture coming up in it.
FAVICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#191615"/>'
    '<circle cx="16" cy="16" r="9" fill="#f4602f"/><path d="M16 7a9 9 0 0 1 0 18z" fill="#f0e9e3"/></svg>'
)


class StaticFile(Protocol):
    """One file: its bytes and its media type."""

    @property
    def data(self) -> bytes: ...
    @property
    def media_type(self) -> str: ...


def build_assets(files: Mapping[str, StaticFile]) -> APIRouter:
    """Routes for these files, by the names they are asked for."""
    router = APIRouter(include_in_schema=False)
    packed: dict[str, bytes] = {}

    @router.get(FOLDER + "/{name}")
    def get_asset(name: str, request: Request) -> Response:
        """One file; its name changes with its content, so it may be kept for ever."""
        file = files.get(name)
        if file is None:
            raise NotFound("There is no such file.")
        headers = {"Cache-Control": _KEEP, "Vary": "Accept-Encoding"}
        if "gzip" in request.headers.get("accept-encoding", ""):
            if name not in packed:
                packed[name] = gzip.compress(file.data, 9, mtime=0)
            return Response(packed[name], headers={**headers, "Content-Encoding": "gzip"}, media_type=file.media_type)
        return Response(file.data, headers=headers, media_type=file.media_type)

    @router.get("/favicon.ico")
    def favicon() -> Response:
        """The small picture in the browser's tab."""
        return Response(FAVICON, headers={"Cache-Control": _DAY}, media_type="image/svg+xml")

    @router.get("/robots.txt")
    def robots() -> Response:
        """Search engines have nothing to look for here."""
        return Response("User-agent: *\nDisallow: /\n", headers={"Cache-Control": _DAY}, media_type="text/plain")

    return router
