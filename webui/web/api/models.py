"""Models with their cards: lists, folders, one card, its preview; changes by the owner."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from webui.cards import preview_version
from webui.core.job import Identity
from webui.engine.cards import listing
from webui.engine.cards.shelf import Model
from webui.engine.checkpoints.checkpoint import Checkpoint
from webui.web.access import Who
from webui.web.api.pictures import IMAGE, has, kept_headers
from webui.web.bodies import body_of, describe
from webui.web.model_schemas import (
    CardChanges,
    FoldersOut,
    ModelCardOut,
    ModelKind,
    ModelsOut,
    Order,
    PreviewChoice,
    SortBy,
)

if TYPE_CHECKING:
    from webui.service import Service

_BEGINNING = 300


def build(service: Service) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["models"])

    @router.get("/models", response_model=ModelsOut)
    async def list_models(
        request: Request,
        who: Who,
        kind: Annotated[ModelKind | None, Query(description="Only models of this kind")] = None,
        search: Annotated[str, Query(max_length=500, description="Words that name or card must hold")] = "",
        folder: Annotated[str, Query(max_length=1000, description="Only models in this folder and below it")] = "",
        sort: SortBy = "name",
        order: Order = "asc",
        limit: Annotated[int, Query(ge=1, le=200)] = 60,
        cursor: Annotated[str, Query(max_length=4000, description="`next` of the page before")] = "",
        checkpoint: Annotated[str, Query(max_length=500, description="For which `unfit` is told")] = "",
    ) -> Any:
        """Models with what their cards say, a page at a time; visitors are shown those that work."""
        query = listing.Query(kind or "", search, folder, sort, order == "desc", limit, cursor)
        page = await asyncio.to_thread(service.cards.page, query, who)
        unfit = await asyncio.to_thread(service.prompting.fitting.unfit_ones, page.models, checkpoint)
        rows = [{**_row(model, request), "unfit": unfit.get(model.id, "")} for model in page.models]
        return {"models": rows, "total": page.total, "next": page.next}

    @router.get("/models/folders", response_model=FoldersOut)
    async def list_folders(who: Who, kind: ModelKind | None = None) -> Any:
        """The tree of folders, with how many models lie in each and below it."""
        found = await asyncio.to_thread(service.cards.folders, kind or "", who)
        return {"folders": [{"path": path, "models": models} for path, models in found.items()]}

    @router.get("/models/{model_id}", response_model=ModelCardOut)
    async def get_model(model_id: str, request: Request, who: Who) -> Any:
        """One model with its card and what is known of its content."""
        return _full(await asyncio.to_thread(service.cards.get, model_id, who), service, request, who)

    @router.patch("/models/{model_id}", response_model=ModelCardOut, openapi_extra=describe(CardChanges))
    async def change_card(
        model_id: str, request: Request, who: Who, body: Annotated[CardChanges, Depends(body_of(CardChanges))]
    ) -> Any:
        """Change a card: A1111's file beside the model is written, and what else stands in it is kept."""
        changes = {name: value for name, value in body.model_dump(exclude_unset=True).items() if value is not None}
        return _full(await asyncio.to_thread(service.cards.edit, model_id, changes, who), service, request, who)

    _add_previews(router, service)
    return router


def _add_previews(router: APIRouter, service: Service) -> None:
    @router.get("/models/{model_id}/preview", response_class=Response, responses=IMAGE)
    async def get_preview(
        model_id: str,
        request: Request,
        who: Who,
        side: Annotated[int, Query(ge=32, le=1024, description="Pixels that the picture must fill")] = 512,
        v: Annotated[str, Query(max_length=100, description="As in the list: a browser may keep the answer")] = "",
    ) -> Response:
        """The preview, made to fit a square, as WebP; its address in the list is another one when it is another."""
        model = await asyncio.to_thread(service.cards.get, model_id, who)
        version = preview_version(model)
        headers = kept_headers(f"{model_id}-{version}-{side}")
        if v != version:
            headers["Cache-Control"] = "private, no-cache"
        if model.preview and has(request, headers):
            return Response(status_code=304, headers=headers)
        data = await asyncio.to_thread(service.cards.thumbnail, model_id, side, who)
        return Response(data, headers=headers, media_type="image/webp")

    @router.put("/models/{model_id}/preview", response_model=ModelCardOut, openapi_extra=describe(PreviewChoice))
    async def set_preview(
        model_id: str, request: Request, who: Who, body: Annotated[PreviewChoice, Depends(body_of(PreviewChoice))]
    ) -> Any:
        """Make a copy of a picture of the gallery the preview; one that it replaces goes into the bin."""
        picture = await asyncio.to_thread(service.picture_file, body.picture_id, who)
        return _full(await asyncio.to_thread(service.cards.set_preview, model_id, picture, who), service, request, who)


def _row(model: Model, request: Request) -> dict[str, Any]:
    """See ModelOut."""
    address = f"{request.scope.get('root_path', '')}/api/v1/models/{model.id}/preview"
    card = model.card
    return {
        "id": model.id,
        "kind": model.kind,
        "name": model.name,
        "title": model.title,
        "label": model.label,
        "folder": model.folder,
        "namesake": model.namesake,
        "family": model.family,
        "family_title": model.family_title,
        "size_bytes": model.size_bytes,
        "changed": model.changed,
        "usable": model.usable,
        "problem": model.problem,
        "hides": [str(path) for path in model.hides],
        "preview": f"{address}?v={preview_version(model)}" if model.preview else None,
        "description": card.description[:_BEGINNING],
        "trigger_words": list(card.trigger_words),
        "preferred_weight": card.preferred_weight,
        "activation_text": card.activation_text,
        "negative_text": card.negative_text,
    }


def _full(model: Model, service: Service, request: Request, who: Identity) -> dict[str, Any]:
    """See ModelCardOut."""
    card = asdict(model.card)
    return {
        **_row(model, request),
        "description": model.card.description,
        "path": str(model.path) if who.is_owner else None,
        "hash": model.thing.hash if isinstance(model.thing, Checkpoint) else "",
        "card": card | {"civitai": card["civitai"] if who.is_owner and any(card["civitai"].values()) else None},
        "facts": service.cards.facts(model),
    }
