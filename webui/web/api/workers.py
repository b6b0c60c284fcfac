"""The workers' memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter

from webui.web.access import Who
from webui.web.worker_schemas import WorkersUnloadedOut

if TYPE_CHECKING:
    from webui.service import Service


def build(service: Service) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["workers"])

    @router.post("/workers/unload", response_model=WorkersUnloadedOut)
    async def unload_models(who: Who) -> Any:
        """Drop the models that no job uses from memory. A job that needs one loads it again by itself."""
        return {"workers": await service.workers.unload(who)}

    @router.post("/workers/renew", status_code=202)
    async def renew_workers(who: Who) -> None:
        """Put a fresh process in each worker's place once it has no job: it loads the extensions' files anew.

        Their rows that the page lists stay as they are until the server is started again.
        """
        service.workers.renew(who)

    return router
