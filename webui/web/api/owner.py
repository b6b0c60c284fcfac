"""What is the owner's alone: settings, letting another browser in, stopping the server."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, BackgroundTasks, Request

from webui.core.panels import EXTENSIONS, stored_defaults
from webui.core.settings import Settings
from webui.web.access import Who
from webui.web.bodies import describe, read_object
from webui.web.field_schemas import panels_schema
from webui.web.schemas import EntranceOut, SettingsOut

if TYPE_CHECKING:
    from webui.service import Service
    from webui.web.identity import Access


def build(service: Service, access: Access, stop: Callable[[bool], None]) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["owner"])

    @router.get("/settings", response_model=SettingsOut)
    async def get_settings(who: Who) -> Any:
        """All settings and the schema that describes them."""
        return _settings(service.settings(who), service)

    @router.patch("/settings", response_model=SettingsOut, openapi_extra=describe(Settings))
    async def change_settings(request: Request, who: Who) -> Any:
        """Change some settings; all or none are saved."""
        return _settings(service.update_settings(await read_object(request), who), service)

    @router.post("/entrance", status_code=201, response_model=EntranceOut)
    async def make_entrance(request: Request) -> Any:
        """A one-time address that makes the browser that opens it the owner's."""
        return {"path": f"{request.scope.get('root_path', '')}/enter/{access.keys.new_entrance()}"}

    @router.post("/shutdown", status_code=202)
    async def shut_down(background: BackgroundTasks) -> None:
        """Stop the server; running jobs go on at the next start."""
        background.add_task(stop, False)

    @router.post("/restart", status_code=202)
    async def restart(background: BackgroundTasks) -> None:
        """Stop the server and start it again as it was started; running jobs go on then."""
        background.add_task(stop, True)

    return router


def _settings(settings: Settings, service: Service) -> dict[str, Any]:
    """Of extensions all fields, as a request that says nothing of them would have them."""
    panels = service.registry.panels
    own = stored_defaults(settings.extensions, panels)
    values = {name: {**panel.defaults, **own.get(name, {})} for name, panel in panels.items()}
    schema = Settings.model_json_schema()
    said = panels_schema(panels)
    schema["properties"]["localization"]["enum"] = list(service.languages.choices())
    schema["properties"][EXTENSIONS] |= {key: said[key] for key in ("properties", "additionalProperties")}
    return {"values": {**settings.model_dump(mode="json"), EXTENSIONS: values}, "schema": schema}
