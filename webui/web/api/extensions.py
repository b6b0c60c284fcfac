"""Extensions: what became of each, and installing, updating, switching and removing them. The owner's alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Query

from webui.core.errors import Conflict
from webui.web.access import Who
from webui.web.bodies import body_of, describe
from webui.web.extension_schemas import (
    ExtensionsOut,
    FoundOut,
    InstallRequest,
    LookRequest,
    OwnSettingsOut,
    OwnSettingsRequest,
    UpdateRequest,
    WorkOut,
)

if TYPE_CHECKING:
    from webui.extension_works import ExtensionWorks
    from webui.service import Service
    from webui.web.identity import Access

LookBody = Annotated[LookRequest, Depends(body_of(LookRequest))]
InstallBody = Annotated[InstallRequest, Depends(body_of(InstallRequest))]
OwnBody = Annotated[OwnSettingsRequest, Depends(body_of(OwnSettingsRequest))]
UpdateBody = Annotated[UpdateRequest, Depends(body_of(UpdateRequest))]


def build(service: Service, access: Access) -> APIRouter:
    """The routes. What changes something is refused while the page is shared: an extension is a program."""
    router = APIRouter(tags=["extensions"])
    extensions = service.extension_works

    @router.get("/extensions", response_model=ExtensionsOut)
    async def list_extensions(who: Who) -> Any:
        """What was found in the extension folders, loaded or not, and what waits for the next start."""
        return {**await extensions.list(who), "locked": access.sharing.locked}

    @router.get("/extensions/search", response_model=FoundOut)
    async def search_extensions(who: Who, q: Annotated[str, Query(max_length=200, description="Words")] = "") -> Any:
        """Extensions in the indexes that the settings name."""
        return await extensions.search(who, q)

    @router.get("/extensions/works/{work_id}", response_model=WorkOut)
    async def get_extension_work(work_id: str, who: Who) -> Any:
        """How an action does."""
        return extensions.work(who, work_id).to_json()

    @router.get("/extensions/{name}/settings", response_model=OwnSettingsOut)
    async def get_own_settings(name: str, who: Who) -> Any:
        """What the owner sets for an extension itself; of what is secret only whether it is set."""
        return await service.extension_settings.get(name, who)

    @router.patch(
        "/extensions/{name}/settings", response_model=OwnSettingsOut, openapi_extra=describe(OwnSettingsRequest)
    )
    async def change_own_settings(name: str, who: Who, body: OwnBody) -> Any:
        """Set some of it, which counts at once; null takes one back to its default."""
        return await service.extension_settings.change(name, body.values, who)

    def unlocked() -> None:
        if access.sharing.locked:
            raise Conflict(access.sharing.locked, remedies=("Start without sharing for the time of the change",))

    changes = APIRouter(dependencies=[Depends(unlocked)])
    _add_fetching(changes, extensions)
    _add_switching(changes, extensions)
    router.include_router(changes)
    return router


def _add_fetching(router: APIRouter, extensions: ExtensionWorks) -> None:
    """What takes long: each starts an action, and answers with it."""

    @router.post("/extensions/look", status_code=202, response_model=WorkOut, openapi_extra=describe(LookRequest))
    async def look_at_extension(who: Who, body: LookBody) -> Any:
        """Fetch an extension, and say what installing it would bring; nothing is changed, and nothing of it runs."""
        return extensions.look(who, body.source, body.ref, body.sha256).to_json()

    @router.post("/extensions/install", status_code=202, response_model=WorkOut, openapi_extra=describe(InstallRequest))
    async def install_extension(who: Who, body: InstallBody) -> Any:
        """Install what a look has shown, that very content, with its packages."""
        return extensions.install(who, body.plan).to_json()

    @router.delete("/extensions/plans/{plan_id}", status_code=204)
    async def discard_extension_plan(plan_id: str, who: Who) -> None:
        """Take away what a look has fetched."""
        await extensions.discard(who, plan_id)

    @router.post("/extensions/updates", status_code=202, response_model=WorkOut)
    async def check_for_updates(who: Who) -> Any:
        """Ask what there is newer of each extension whose origin is known."""
        return extensions.newer(who).to_json()

    @router.post("/extensions/packages", status_code=202, response_model=WorkOut)
    async def install_extension_packages(who: Who) -> Any:
        """Install the packages that extensions lack, all resolved together."""
        return extensions.install_packages(who).to_json()

    @router.post(
        "/extensions/{name}/update", status_code=202, response_model=WorkOut, openapi_extra=describe(UpdateRequest)
    )
    async def look_at_update(name: str, who: Who, body: UpdateBody) -> Any:
        """Fetch the newest of an installed extension, and say what installing it would change."""
        return extensions.look_update(who, name, body.ref).to_json()

    @router.post("/extensions/{name}/enable", status_code=202, response_model=WorkOut)
    async def enable_extension(name: str, who: Who) -> Any:
        """Switch one on, at once where that can be; packages that it lacks are installed."""
        return extensions.enable(who, name).to_json()

    @router.delete("/extensions/works/{work_id}", response_model=WorkOut)
    async def stop_extension_work(work_id: str, who: Who) -> Any:
        """Have an action end soon, with everything as it was."""
        return extensions.stop(who, work_id).to_json()


def _add_switching(router: APIRouter, extensions: ExtensionWorks) -> None:
    """What is done at once."""

    @router.post("/extensions/{name}/disable", status_code=204)
    async def disable_extension(name: str, who: Who) -> None:
        """Switch one off, at once where that can be."""
        await extensions.disable(who, name)

    @router.delete("/extensions/{name}", status_code=204)
    async def remove_extension(name: str, who: Who) -> None:
        """Move one into the bin; it is unloaded with the next start, or before it when another one is switched."""
        await extensions.remove(who, name)

    @router.post("/extensions/{name}/restore", status_code=204)
    async def restore_extension(name: str, who: Who) -> None:
        """Take one out of the bin."""
        await extensions.restore(who, name)
