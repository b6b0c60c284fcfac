"""What there is to choose from: samplers, schedules, checkpoints, fields; and reading texts."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends

from webui.core.errors import DarkroomError
from webui.core.fields import Field
from webui.core.groups import FLAT_ROWS
from webui.core.job import Identity
from webui.core.panels import ENABLED, Panel
from webui.core.registry import Sampler, Schedule
from webui.engine.checkpoints.completion import AUTOMATIC, NONE
from webui.engine.checkpoints.counting import Counted
from webui.engine.checkpoints.facts import facts_of, facts_of_file
from webui.engine.checkpoints.suits import abilities_of
from webui.plugins.installed import not_installed
from webui.web.access import Who
from webui.web.bodies import body_of, describe
from webui.web.field_schemas import FieldsOut
from webui.web.schemas import (
    CheckpointsOut,
    InfotextOut,
    InfotextRequest,
    ModulesOut,
    SamplersOut,
    SchedulersOut,
    StatusOut,
    TokensOut,
    TokensRequest,
    UpscalersOut,
)
from webui.web.worker_schemas import AttentionOut

if TYPE_CHECKING:
    from webui.engine.checkpoints.checkpoint import Checkpoint
    from webui.service import Service


def build(service: Service) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["catalogues"])

    _add_rows(router, service)

    @router.get("/checkpoints", response_model=CheckpointsOut)
    async def list_checkpoints(who: Who) -> Any:
        """All checkpoints with the values that suit them; visitors are shown those that work."""
        return await asyncio.to_thread(_checkpoints, service, who)

    @router.post("/checkpoints/refresh", response_model=CheckpointsOut)
    async def refresh_checkpoints(who: Who) -> Any:
        """Look into the folders again."""
        await asyncio.to_thread(service.refresh_checkpoints, who)
        return await asyncio.to_thread(_checkpoints, service, who)

    @router.get("/modules", response_model=ModulesOut)
    async def list_modules(who: Who) -> Any:
        """The VAEs and text encoders in files of their own; visitors are shown those that work."""
        return {"modules": await asyncio.to_thread(_modules, service, who)}

    @router.get("/fields", response_model=FieldsOut)
    async def list_fields(who: Who) -> Any:
        """Every parameter that a request takes, with its limits, and those that extensions add."""
        panels = service.registry.panels.values()
        return {
            "fields": [_field(row, service, who) for row in service.fields],
            "extensions": [_panel(panel, service, who) for panel in panels],
        }

    @router.get("/status", response_model=StatusOut)
    async def get_status(who: Who) -> Any:
        """The workers' states, the line's numbers, who is asking, and what the owner should know."""
        return {
            **service.status(who),
            "you": {"id": who.id, "level": str(who.level), "name": who.name},
            "messages": service.messages(who),
            "settings": service.public_settings(),
        }

    _add_reading(router, service)
    return router


def _add_rows(router: APIRouter, service: Service) -> None:
    """The routes that list the rows of the registry's tables."""

    @router.get("/samplers", response_model=SamplersOut)
    async def list_samplers() -> Any:
        """All sampling methods, in order."""
        return {"samplers": await asyncio.to_thread(lambda: [_sampler(row) for row in service.registry.samplers])}

    @router.get("/schedulers", response_model=SchedulersOut)
    async def list_schedulers() -> Any:
        """All schedule types, in order."""
        return {"schedulers": [_schedule(row) for row in service.registry.schedules]}

    @router.get("/upscalers", response_model=UpscalersOut)
    async def list_upscalers() -> Any:
        """All that makes a picture larger before a second pass, in order."""
        rows = service.registry.upscalers
        return {
            "upscalers": [{"name": row.name, "aliases": list(row.aliases), "latent": row.is_latent} for row in rows]
        }

    @router.get("/attention", response_model=AttentionOut)
    async def list_attention() -> Any:
        """All ways to compute attention, in order, and whether the workers can use them."""
        return {"attention": await asyncio.to_thread(_attention, service)}


def _add_reading(router: APIRouter, service: Service) -> None:
    """The routes that read texts."""

    @router.post("/tokens", response_model=TokensOut, openapi_extra=describe(TokensRequest))
    async def count_tokens(body: Annotated[TokensRequest, Depends(body_of(TokensRequest))]) -> Any:
        """How many tokens a prompt has, of all that it ever says where it says most."""
        said = body.model_dump(exclude={"checkpoint"})
        tokens, limit = await asyncio.to_thread(service.count_tokens, Counted(**said), body.checkpoint)
        return {"tokens": tokens, "limit": limit}

    @router.post("/infotext", response_model=InfotextOut, openapi_extra=describe(InfotextRequest))
    async def read_infotext(body: Annotated[InfotextRequest, Depends(body_of(InfotextRequest))]) -> Any:
        """The fields that a parameters text carries."""
        parsed = await asyncio.to_thread(service.parse_infotext, body.text)
        return {"values": parsed.values, "unknown": parsed.unknown}


def _schedule(row: Schedule) -> dict[str, Any]:
    return {"name": row.name, "aliases": list(row.aliases), "options": list(row.options)}


def _sampler(row: Sampler) -> dict[str, Any]:
    reason = not_installed(row)
    return {
        "name": row.name,
        "aliases": list(row.aliases),
        "schedule": row.schedule,
        "order": row.order,
        "options": list(row.options),
        "group": row.group,
        "package": row.package,
        "available": not reason,
        "reason": reason,
    }


def _attention(service: Service) -> list[dict[str, Any]]:
    return [
        {
            "name": row.name,
            "title": row.title,
            "aliases": list(row.aliases),
            "available": not reason,
            "reason": reason,
        }
        for row, reason in service.attention()
    ]


def _checkpoints(service: Service, who: Identity) -> dict[str, Any]:
    found = [_checkpoint(checkpoint, service, who) for checkpoint in service.checkpoints(who)]
    return {"checkpoints": found, "folder": service.checkpoint_folder(who)}


def _checkpoint(checkpoint: Checkpoint, service: Service, who: Identity) -> dict[str, Any]:
    """`examples`, `about` and, where it has any, `sizes` come from the checkpoint's own darkroom.json."""
    families = service.registry.families
    abilities = abilities_of(checkpoint, service.registry)
    all_fields = *service.fields, *FLAT_ROWS.values()
    own = checkpoint.defaults
    return {
        "title": checkpoint.title,
        "name": checkpoint.name,
        "hash": checkpoint.hash,
        **facts_of(service.cards.used(checkpoint), service.registry, notes=who.is_owner),
        "unknown_fields": [row.name for row in all_fields if not row.is_known_to(abilities)],
        "problem": checkpoint.problem,
        "defaults": {} if checkpoint.problem else service.defaults(checkpoint.title),
        "sizes": _sizes(own.get("sizes"))
        or (list(families.get(checkpoint.family).sizes) if checkpoint.family in families else []),
        "examples": _texts(own.get("examples")),
        "about": _texts(own.get("about")),
    }


def _modules(service: Service, who: Identity) -> list[dict[str, Any]]:
    return [facts_of_file(file, service.registry) for file in service.modules(who)]


def _sizes(value: Any) -> list[tuple[int, int]]:
    pairs = value if isinstance(value, list) else []
    return [
        (pair[0], pair[1])
        for pair in pairs
        if isinstance(pair, list) and len(pair) == 2 and all(isinstance(side, int) for side in pair)
    ]


def _texts(value: Any) -> list[str]:
    return [str(text) for text in value] if isinstance(value, list) else [value] if isinstance(value, str) else []


def _panel(panel: Panel, service: Service, who: Identity) -> dict[str, Any]:
    return {
        "name": panel.name,
        "title": panel.title,
        "help": panel.help,
        "enabled": ENABLED if ENABLED in panel.rows else None,
        "fields": [{**_field(row, service, who), "name": name} for name, row in panel.rows.items()],
    }


def _field(row: Field, service: Service, who: Identity) -> dict[str, Any]:
    return {
        "name": row.name,
        "kind": row.kind,
        "label": row.label,
        "help": row.help,
        "default": row.default,
        "minimum": row.minimum,
        "maximum": row.maximum,
        "step": row.step,
        "multiple": row.multiple,
        "group": row.group,
        "abilities": list(row.abilities),
        "choices": list(row.choices) or _choices(row.catalogue, service, who),
    }


def _choices(catalogue: str | None, service: Service, who: Identity) -> list[str] | None:
    registry = service.registry
    match catalogue:
        case None:
            return None
        case "samplers":
            return registry.samplers.names()
        case "schedules":
            return registry.schedules.names()
        case "vaes":
            return [AUTOMATIC, NONE, *(file.name for file in service.modules(who) if file.role == "vae")]
        case "attention":
            return registry.attention.names()
        case "styles":
            return [style.name for style in service.prompts.styles().styles]
        case "checkpoints":
            return [checkpoint.title for checkpoint in service.checkpoints(who)]
        case _:
            raise DarkroomError(f"A field names the catalogue '{catalogue}', which there is not.")
