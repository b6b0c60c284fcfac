"""Works on models as the owner may have them done: accepted, looked at before a download, tokens kept."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from webui.core.errors import Conflict, DarkroomError, NotAllowed
from webui.core.job import Identity, Job, State
from webui.core.job_request import JobRequest
from webui.core.model_work import WORKSHOP, Download, ModelWork
from webui.core.registry import Registry, Work
from webui.engine.work.download.fetch import FetchFiles
from webui.engine.work.download.tokens import TokenFile, check_host
from webui.engine.work.library import Library, download_files
from webui.jobs.queue import Queue
from webui.jobs.scheduler import Scheduler
from webui.plugins.meter import sentence
from webui.plugins.resolve import resolve

log = logging.getLogger(__name__)

Put = Callable[[JobRequest, Identity, str], Job]
"""Puts an accepted request of a task into the line."""


class ModelWorks:
    """The part of the service that is about works on models. Every method asks for the owner's identity."""

    def __init__(self, registry: Registry, library: Library, queue: Queue, scheduler: Scheduler, put: Put) -> None:
        self._registry = registry
        self._library = library
        self._queue = queue
        self._scheduler = scheduler
        self._put = put

    async def submit(self, name: str, values: Mapping[str, Any], who: Identity) -> Job:
        """Accept a work of this name and put it into the line.

        Raises NotAllowed, InvalidField, UnknownName, ModelProblem, and Conflict where something is in its place, or
        another work in the line will be.
        """
        _need_owner(who)
        if not self._scheduler.has(WORKSHOP):
            raise Conflict("This Darkroom has no workshop, so no models are worked on.")
        row = self._registry.works.get(name)
        # A program's null means what a missing field means.
        request = row.request.from_json({name: value for name, value in values.items() if value is not None})
        accepted: ModelWork = await asyncio.to_thread(_accepted, row, request, self._library)
        # From here to the row nothing is awaited, so that of two that come at once the second is refused.
        self._check_alone(accepted)
        return self._put(accepted, who, row.name)

    async def look(self, values: Mapping[str, Any], who: Identity) -> FetchFiles:
        """What a download would fetch, and where to; nothing is fetched. Raises DarkroomError."""
        _need_owner(who)
        return await asyncio.to_thread(download_files, Download.from_json(values), self._library)

    async def keep_token(self, host: str, token: str, who: Identity) -> None:
        """Keep the token for a server, or forget it where it is empty; nothing gives it out again."""
        _need_owner(who)
        await asyncio.to_thread(TokenFile(self._library.tokens).put, check_host(host), token)

    def _check_alone(self, request: ModelWork) -> None:
        if not request.writes:
            return
        waiting = self._queue.waiting(limit=-1, workplace=WORKSHOP)
        running = self._queue.list(None, (State.RUNNING,), limit=-1)
        for job in (*running, *waiting):
            if getattr(job.request, "writes", "") == request.writes:
                raise Conflict(
                    # Of no field: a file in the way can be replaced, and this not.
                    f"A job in the line writes the same already: {job.request.summary}.",
                    remedies=("Choose another name", "Wait for it, or cancel it"),
                )


def _accepted(row: Work, request: ModelWork, library: Library) -> ModelWork:
    """On a thread: an extension's module may be imported by it, and whatever that raises must not reach the loop."""
    try:
        accepted: ModelWork = resolve(row.accept)(request, library)
    except DarkroomError:
        raise
    except (Exception, SystemExit) as error:
        log.exception("The request for the work '%s' could not be looked at", row.name)
        raise DarkroomError(f"{row.title} failed before it began: {sentence(error)}") from error
    return accepted


def _need_owner(who: Identity) -> None:
    if not who.is_owner:
        raise NotAllowed("Only the owner of this machine may work on models.")
