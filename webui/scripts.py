"""Scripts as people start them: a request is accepted once, and each that the script makes of it once more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, Protocol

from webui.core.errors import DarkroomError, NotAllowed, Problem, StorageProblem, TooMany
from webui.core.hook_rows import Script
from webui.core.job import OWNER_ID, Identity, Job, Level
from webui.core.job_request import JobRequest
from webui.core.registry import Table
from webui.core.request import RESOLVED, GenerationRequest
from webui.core.script_request import TASK, ScriptRequest
from webui.core.settings import SettingsStore
from webui.jobs.queue import Queue

MAX_SCRIPTS = 2
"""Scripts of one guest that wait or run."""


class Part(NamedTuple):
    """As which request of which script's job one is put. refused: why it is not accepted."""

    parent: str | None = None
    number: int | None = None
    refused: Problem | None = None


class Put(Protocol):
    """Puts an accepted request of a task into the line; one that was refused becomes a job that has failed."""

    def __call__(self, request: JobRequest, who: Identity, task: str, part: Part = Part()) -> Job: ...


Accept = Callable[[Mapping[str, Any], Identity], Awaitable[GenerationRequest]]
"""The request that these values mean, within what this person may ask for. Raises DarkroomError."""


class Scripts:
    """The part of the service that is about scripts."""

    def __init__(
        self, rows: Callable[[], Table[Script]], accept: Accept, put: Put, queue: Queue, settings: SettingsStore
    ) -> None:
        self._rows = rows
        self._accept = accept
        self._put = put
        self._queue = queue
        self._settings = settings

    def rows_for(self, who: Identity) -> list[Script]:
        """The scripts that this person may start."""
        return [row for row in self._rows() if who.level.rank >= Level(row.level).rank]

    async def submit(self, name: str, values: Mapping[str, Any], who: Identity) -> Job:
        """Start a script with a request.

        Raises UnknownName, NotAllowed, and what submitting that request by itself raises.
        """
        # A guest is not told the names of scripts that are none of theirs.
        theirs = Table("script", self.rows_for(who), "script")
        if name in self._rows() and name not in theirs:
            raise NotAllowed("You may not start this script.")
        row = theirs.get(name)
        self._check_sum(who, row.pictures)
        request = await self._accept(values, who)
        # From here to the row nothing is awaited, so that several at once cannot slip past the limit.
        if not who.is_owner and self._queue.count_of_task(TASK, who.id) >= MAX_SCRIPTS:
            raise TooMany(f"You have {MAX_SCRIPTS} scripts going, as many as a guest may have. Let one finish first.")
        return self._put(ScriptRequest(row.name, request, row.pictures), who, TASK)

    async def put_part(self, parent: Job, request: GenerationRequest, part: int, pictures: int) -> Job:
        """Accept a request of a script's job and put it into the line; one that is refused is kept as failed.

        It is kept so that a script that runs again after a restart gets the same answer. pictures: how many its job has
        asked for so far, its own included. Raises TooMany and StorageProblem: these would meet its other requests too.
        """
        # Files that the script has not changed are found again by their names.
        values = {name: value for name, value in request.to_json().items() if name not in RESOLVED}
        who = Identity(parent.owner, Level.OWNER if parent.owner == OWNER_ID else Level.VISITOR)
        self._check_sum(who, pictures + request.pictures)
        refused: Problem | None = None
        try:
            request = await self._accept(values, Identity(parent.owner, Level.OWNER))
        except (StorageProblem, TooMany):
            raise
        except DarkroomError as error:
            refused = error.problem()
        return self._put(request, who, "txt2img", Part(parent.id, part, refused))

    def _check_sum(self, who: Identity, pictures: int) -> None:
        most = self._settings.current.max_pictures_visitor
        if not who.is_owner and pictures > most:
            raise TooMany(f"This script asks for more than the {most} pictures that one job of a guest may make.")
