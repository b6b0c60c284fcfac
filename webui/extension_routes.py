"""Addresses of extensions: found by their row, and answered on a thread of their own within a time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from webui.core.asked import Asked
from webui.core.errors import NotAllowed, NotFound
from webui.core.job import Identity, Job, Level, StoredPicture
from webui.plugins.meter import Call, refusal
from webui.plugins.resolve import resolve
from webui.plugins.threads import Threads

if TYPE_CHECKING:
    from webui.plugins.manager import Plugins
    from webui.service import Service

SECONDS = 30.0
"""So long an answer may take."""
OF_PERSON, OF_EXTENSION = 8, 16
"""So many answers to one person, and of one extension, are made at once."""


class ExtensionRoutes:
    """The part of the service that is about addresses of extensions."""

    def __init__(self, service: Service, plugins: Plugins) -> None:
        self._service = service
        self._plugins = plugins
        self._threads = Threads(OF_PERSON, OF_EXTENSION)

    async def answer(self, extension: str, name: str, method: str, values: Mapping[str, Any], who: Identity) -> Any:
        """What the extension answers. Raises NotFound, NotAllowed, TooMany, ExtensionProblem, its refusal."""
        rows = self._service.registry.routes
        row = rows.get(f"{extension}/{name}") if f"{extension}/{name}" in rows else None
        if row is None or row.method != method:
            raise NotFound("No extension has such an address.")
        if who.level.rank < Level(row.level).rank:
            raise NotAllowed("You may not ask for this.")
        house = _Rooms(self._service, who, asyncio.get_running_loop())
        # Found there too: the module may be imported by it, which is the extension's code as well.
        call = Call(row.extension, "routes", lambda asked: resolve(row.function)(asked))
        answer = partial(self._plugins.meter.ask, call, (Asked(values, who, house),))
        try:
            return await self._threads.answer(SECONDS, answer, row.extension, who.id)
        except TimeoutError as error:
            raise refusal(call, f"{row.name} takes longer than {SECONDS:g} s.") from error


class _Rooms:
    """See `Rooms`."""

    def __init__(self, service: Service, who: Identity, loop: asyncio.AbstractEventLoop) -> None:
        self._service, self._who, self._loop = service, who, loop

    def pictures(self, limit: int = 60, before: float | None = None, search: str = "") -> list[StoredPicture]:
        return self._service.pictures(self._who, limit, before, search)

    def picture_file(self, picture_id: str) -> Path:
        return self._service.picture_file(picture_id, self._who)

    def submit(self, values: Mapping[str, Any]) -> Job:
        return asyncio.run_coroutine_threadsafe(self._service.submit(values, self._who), self._loop).result(SECONDS)
