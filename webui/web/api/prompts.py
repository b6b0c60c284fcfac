"""Styles, wildcards, and what becomes of prompts with them; the owner changes styles."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Query

from webui.core.job import Identity
from webui.core.prompt.styles import MAX_NAME, Style
from webui.web.access import Who
from webui.web.bodies import body_of, describe
from webui.web.prompt_schemas import (
    DrawBody,
    DrawOut,
    NameKind,
    NamesOut,
    PromptsBody,
    PromptsOut,
    ReadBody,
    ReadOut,
    RecentPromptsOut,
    StyleBody,
    StyleOut,
    StylesOut,
    WildcardsOut,
    WildcardValuesOut,
)

if TYPE_CHECKING:
    from webui.service import Service

_MOST_VALUES = 1000


def build(service: Service) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["prompts"])
    _add_styles(router, service)
    _add_wildcards(router, service)

    @router.get("/prompts/names", response_model=NamesOut)
    async def list_names(
        who: Who,
        search: Annotated[str, Query(max_length=200, description="Letters that a name must hold")] = "",
        kind: Annotated[NameKind | None, Query(description="Only names of this kind")] = None,
        limit: Annotated[int, Query(ge=1, le=100)] = 8,
    ) -> Any:
        """Names that a prompt may hold: of LoRAs, embeddings, wildcards and styles."""
        found = await asyncio.to_thread(service.prompting.names.find, search, who, kind or "", limit)
        return {"names": [asdict(one) for one in found]}

    @router.get("/prompts/recent", response_model=RecentPromptsOut)
    async def list_recent(who: Who, limit: Annotated[int, Query(ge=1, le=100)] = 30) -> Any:
        """The prompts that the asker used last, the newest first, each once."""
        found = await asyncio.to_thread(service.prompting.recent.of, who, limit)
        return {"prompts": [asdict(one) for one in found]}

    @router.post("/prompts/read", response_model=ReadOut, openapi_extra=describe(ReadBody))
    async def read_prompts(body: Annotated[ReadBody, Depends(body_of(ReadBody))]) -> Any:
        """What prompts say: as they run, with their tokens, changes and extra networks."""
        return asdict(await asyncio.to_thread(service.prompting.previews.of, body.model_dump()))

    @router.post("/prompts/draw", response_model=DrawOut, openapi_extra=describe(DrawBody))
    async def draw_prompts(body: Annotated[DrawBody, Depends(body_of(DrawBody))]) -> Any:
        """The texts that pictures of a request would be made from."""
        return await asyncio.to_thread(_drawn, service, body)

    return router


def _add_styles(router: APIRouter, service: Service) -> None:
    @router.get("/styles", response_model=StylesOut)
    async def list_styles(who: Who) -> Any:
        """All styles, in the order of their files."""
        return await asyncio.to_thread(_styles, service, who)

    @router.post("/styles", response_model=StyleOut, openapi_extra=describe(StyleBody))
    async def save_style(who: Who, body: Annotated[StyleBody, Depends(body_of(StyleBody))]) -> Any:
        """Write a style, new or in place of the one with its name."""
        style = Style(body.name, body.prompt, body.negative_prompt, body.file)
        return asdict(await asyncio.to_thread(service.prompts.save_style, style, who))

    @router.delete("/styles", status_code=204)
    async def delete_style(
        who: Who, name: Annotated[str, Query(max_length=MAX_NAME, description="The style's name")]
    ) -> None:
        """Take a style out of every file that has it; each file is kept beside itself as .bak."""
        await asyncio.to_thread(service.prompts.remove_style, name, who)

    @router.post("/styles/apply", response_model=PromptsOut, openapi_extra=describe(PromptsBody))
    async def apply_styles(body: Annotated[PromptsBody, Depends(body_of(PromptsBody))]) -> Any:
        """Both prompts with these styles on them."""
        names = tuple(body.styles)
        texts = await asyncio.to_thread(service.prompts.styled, body.prompt, body.negative_prompt, names)
        return {"prompt": texts[0], "negative_prompt": texts[1]}


def _add_wildcards(router: APIRouter, service: Service) -> None:
    @router.get("/wildcards", response_model=WildcardsOut)
    async def list_wildcards(who: Who) -> Any:
        """All wildcards, sorted by name."""
        found = await asyncio.to_thread(service.prompts.wildcards)
        rows = [{"name": name, "values": found.count(name)} for name in found.names]
        return {"wildcards": rows, "problems": found.problems if who.is_owner else []}

    @router.get("/wildcards/values", response_model=WildcardValuesOut)
    async def list_values(
        name: Annotated[str, Query(max_length=200, description="A wildcard's name, or a pattern with *")],
        limit: Annotated[int, Query(ge=1, le=_MOST_VALUES)] = 100,
    ) -> Any:
        """What a wildcard can become."""
        found = await asyncio.to_thread(service.prompts.wildcards)
        values = await asyncio.to_thread(found.values, name)
        return {"values": [asdict(value) for value in islice(values, limit)], "total": len(values)}


def _styles(service: Service, who: Identity) -> dict[str, Any]:
    shelf = service.prompts.styles()
    return {
        "styles": [asdict(style) for style in shelf.styles],
        "files": shelf.files,
        "problems": shelf.problems if who.is_owner else (),
    }


def _drawn(service: Service, body: DrawBody) -> dict[str, Any]:
    values = body.model_dump(exclude={"count"})
    request = service.prompts.previewed(values, body.count)
    texts = [request.texts_of(index) for index in range(min(body.count, request.pictures))]
    template, negative_template = request.templates
    return {
        "all_prompts": [prompt for prompt, _ in texts],
        "all_negative_prompts": [negative_prompt for _, negative_prompt in texts],
        "template": template,
        "negative_template": negative_template,
        "pictures": request.pictures,
        "seed": request.seed,
        "notes": request.notes,
    }
