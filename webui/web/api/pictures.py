"""Pictures: lists, files and thumbnails. A picture never changes, so a browser may keep it for ever."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from starlette.responses import FileResponse

from webui.web.access import Who
from webui.web.api.views import picture_view
from webui.web.schemas import PictureOut, PictureReadOut, PicturesOut

if TYPE_CHECKING:
    from webui.service import Service

_KEEP = "private, max-age=31536000, immutable"
_BODY = {"requestBody": {"required": True, "content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}}}
_TYPES = {".png": "image/png", ".webp": "image/webp", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}


def build(service: Service) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["pictures"])

    @router.get("/pictures", response_model=PicturesOut)
    async def list_pictures(
        request: Request,
        who: Who,
        limit: Annotated[int, Query(ge=1, le=200)] = 60,
        before: Annotated[
            float | None, Query(allow_inf_nan=False, description="Only pictures saved before this time")
        ] = None,
        search: Annotated[str, Query(max_length=500, description="Words that the infotext must hold")] = "",
    ) -> Any:
        """The asker's own pictures, newest first."""
        found = await asyncio.to_thread(service.pictures, who, limit, before, search)
        return {
            "pictures": [picture_view(picture, request) for picture in found],
            "next": found[-1].created if len(found) == limit else None,
        }

    @router.post("/pictures/read", response_model=PictureReadOut, openapi_extra=_BODY)
    async def read_picture(request: Request, who: Who) -> Any:
        """What a picture's file says of how it was made: the body is the file. Nothing of it is kept."""
        read = await service.picture_reading.read(await request.body(), who)
        return {
            "values": read.parsed.values,
            "unknown": read.parsed.unknown,
            "pairs": [{"label": label, "value": value} for label, value in read.parsed.pairs],
            **{name: getattr(read, name) for name in ("reader", "infotext", "width", "height", "problems")},
        }

    @router.get("/pictures/{picture_id}", response_model=PictureOut)
    async def get_picture(picture_id: str, request: Request, who: Who) -> Any:
        """One picture's facts."""
        return picture_view(service.picture(picture_id, who), request)

    @router.delete("/pictures/{picture_id}", status_code=204)
    async def delete_picture(picture_id: str, who: Who) -> None:
        """Move a picture into the bin."""
        await asyncio.to_thread(service.delete_picture, picture_id, who)

    @router.post("/pictures/{picture_id}/restore", response_model=PictureOut)
    async def restore_picture(picture_id: str, request: Request, who: Who) -> Any:
        """Take a deleted picture out of the bin again."""
        return picture_view(await asyncio.to_thread(service.restore_picture, picture_id, who), request)

    _add_files(router, service)
    return router


def _add_files(router: APIRouter, service: Service) -> None:
    """The picture itself, whole and small."""

    @router.get("/pictures/{picture_id}/file", response_class=Response, responses=IMAGE)
    async def get_picture_file(
        picture_id: str,
        request: Request,
        who: Who,
        download: Annotated[bool, Query(description="Offer it for saving, by its name in the outputs folder")] = False,
    ) -> Response:
        """The file as it was saved."""
        path = await asyncio.to_thread(service.picture_file, picture_id, who)
        headers = kept_headers(picture_id)
        if download:
            headers["Content-Disposition"] = _attachment(path.name)
        if has(request, headers):
            return Response(status_code=304, headers=headers)
        return FileResponse(path, headers=headers, media_type=_TYPES.get(path.suffix.lower(), "image/png"))

    @router.get("/pictures/{picture_id}/thumb", response_class=Response, responses=IMAGE)
    async def get_thumbnail(
        picture_id: str,
        request: Request,
        who: Who,
        side: Annotated[int, Query(ge=32, le=1024, description="Pixels that the picture must fill")] = 256,
    ) -> Response:
        """The picture, made to fit a square, as WebP."""
        headers = kept_headers(f"{picture_id}-{side}")
        if has(request, headers):
            service.picture(picture_id, who)
            return Response(status_code=304, headers=headers)
        data = await asyncio.to_thread(service.thumbnail, picture_id, who, side)
        return Response(data, headers=headers, media_type="image/webp")


def _attachment(name: str) -> str:
    """The header that offers a file for saving: its name also in the old form, which curl reads."""
    plain = re.sub(r'[^ -~]|["\\]', "_", name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name)}"


IMAGE: dict[int | str, dict[str, Any]] = {200: {"content": {"image/png": {}, "image/webp": {}}}}


def kept_headers(tag: str) -> dict[str, str]:
    """Of an answer that never changes under its address: a browser may keep it for ever."""
    return {"Cache-Control": _KEEP, "ETag": f'"{tag}"'}


def has(request: Request, headers: Mapping[str, str]) -> bool:
    """Whether the browser already holds what these headers describe."""
    known = request.headers.get("if-none-match", "")
    return headers["ETag"] in [tag.strip().removeprefix("W/") for tag in known.split(",")]
