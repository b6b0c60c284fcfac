"""Scripts as people start them: a request is accepted once, and each that the script makes of it once more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from webui.core.errors import NotAllowed, TooMany
from webui.core.hook_rows import Script
from webui.core.job import OWNER_ID, Identity, Job, Level
from webui.core.job_request import JobRequest
from webui.core.registry import Table
from webui.core.request import RESOLVED, GenerationRequest
from webui.core.script_request import TASK, ScriptRequest
from webui.core.settings import SettingsStore
from webui.jobs.queue import Queue


class Put(Protocol):
    """Puts an accepted request of a task into the line."""

    def __call__(
        self, request: JobRequest, who: Identity, task: str, parent: str | None = None, part: int | None = None
    ) -> Job: ...


Accept = Callable[[Mapping[str, Any], Identity], Awaitable[GenerationRequest]]
"""The request that these values mean, within what this person may ask for. Raises DarkroomError."""


class Scripts:
    """The part of the service that is about scripts."""

    def __init__(self, rows: Table[Script], accept: Accept, put: Put, queue: Queue, settings: SettingsStore) -> None:
        self.rows = rows
        self._accept = accept
        self._put = put
        self._queue = queue
        self._settings = settings

    def rows_for(self, who: Identity) -> list[Script]:
        """The scripts that this person may start."""
        return [row for row in self.rows if who.level.rank >= Level(row.level).rank]

    async def submit(self, name: str, values: Mapping[str, Any], who: Identity) -> Job:
        """Start a script with a request.

        Raises UnknownName, NotAllowed, and what submitting that request by itself raises.
        """
        row = self.rows.get(name)
        if row not in self.rows_for(who):
            raise NotAllowed("You may not start this script.")
        request = await self._accept(values, who)
        return self._put(ScriptRequest(row.name, request, row.pictures), who, TASK)

    async def put_part(self, parent: Job, request: GenerationRequest, part: int) -> Job:
        """Accept a request of a script's job and put it into the line. Raises DarkroomError."""
        # Files that the script has not changed are found again by their names.
        values = {name: value for name, value in request.to_json().items() if name not in RESOLVED}
        who = Identity(parent.owner, Level.OWNER if parent.owner == OWNER_ID else Level.VISITOR)
        if not who.is_owner:
            self._check_sum(parent, request)
        accepted = await self._accept(values, Identity(parent.owner, Level.OWNER))
        return self._put(accepted, who, "txt2img", parent.id, part)

    def _check_sum(self, parent: Job, request: GenerationRequest) -> None:
        most = self._settings.current.max_pictures_visitor
        asked = request.pictures + sum(child.request.pictures for child in self._queue.children(parent.id))
        if asked > most:
            raise TooMany(f"This script asks for more than the {most} pictures that one job of a guest may make.")
