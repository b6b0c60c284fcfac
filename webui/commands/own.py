"""Our own queue and worker, for commands when no server runs on the data folder."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from webui.app import House, compose
from webui.core.errors import Conflict
from webui.core.events import ENDS, Event
from webui.core.job import LOCAL_OWNER
from webui.core.paths import Paths
from webui.core.settings import SettingsStore
from webui.instance import DataFolder
from webui.jobs.executors.base import Executor


class OwnSession:
    """See Session."""

    def __init__(self, house: House, stack: AsyncExitStack) -> None:
        self._house = house
        self._service = house.service
        self._stack = stack
        self._runs = False
        self._submitted: set[str] = set()

    @classmethod
    @asynccontextmanager
    async def open(
        cls, paths: Paths, settings: SettingsStore, executors: Sequence[Executor]
    ) -> AsyncIterator[OwnSession]:
        """A session that holds the data folder. Raises Conflict when another process holds it."""
        folder = DataFolder(paths)
        folder.claim()
        try:
            house = compose(paths, settings, executors)
            async with AsyncExitStack() as stack:
                stack.callback(house.queue.close)
                yield cls(house, stack)
        finally:
            folder.release()

    async def submit(self, values: Mapping[str, Any], script: str = "") -> str:
        """See Session. What an earlier run has left in the line goes on waiting for a server."""
        if self._service.line()["paused"]:
            raise Conflict("The queue is paused, so nothing would be made.", remedies=("launch.py queue resume",))
        if script:
            job = await self._service.scripts.submit(script, values, LOCAL_OWNER)
        else:
            job = await self._service.submit(values, LOCAL_OWNER)
        self._submitted.add(job.id)
        self._service.front(job.id, LOCAL_OWNER)
        if not self._runs:
            # Only now: a request that is refused shall not wait for a worker.
            await self._stack.enter_async_context(self._house.running(self._submitted))
            self._runs = True
        return job.id

    async def notes(self, job_id: str) -> list[str]:
        """See Session."""
        return self._service.notes(self._service.job(job_id, LOCAL_OWNER))

    async def events(self, job_id: str) -> AsyncIterator[Event]:
        """See Session."""
        async for envelope in self._service.follow(LOCAL_OWNER, job_id):
            yield envelope.event
            if isinstance(envelope.event, ENDS):
                return

    async def picture(self, picture_id: str) -> bytes:
        """See Session."""
        return self._service.picture_file(picture_id, LOCAL_OWNER).read_bytes()

    async def place(self, picture_id: str) -> str:
        """See Session."""
        return str(self._service.picture_file(picture_id, LOCAL_OWNER))

    async def queue(self) -> dict[str, Any]:
        """See Session."""
        positions = self._service.positions()
        views = [
            {**job.to_json(), "position": positions.get(job.id)} for job in self._service.jobs_in_line(LOCAL_OWNER)
        ]
        return {**self._service.line(), "jobs": views}

    async def act(self, verb: str, job_id: str = "") -> None:
        """See Session. What ran when a server died counts as waiting, so nothing here can be interrupted."""
        if verb == "clear":
            self._service.clear_waiting(LOCAL_OWNER)
        elif verb in ("pause", "resume"):
            getattr(self._service, verb)(LOCAL_OWNER)
        elif verb in ("interrupt", "skip") and not self._runs:
            raise Conflict("No Darkroom runs, so no job can be stopped in its middle.", remedies=("Use cancel",))
        else:
            getattr(self._service, verb)(job_id, LOCAL_OWNER)
