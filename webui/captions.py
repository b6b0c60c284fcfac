"""Pictures put into words, for whoever may have pictures made: each is made plain, and waits in the line."""

from __future__ import annotations

import asyncio
from pathlib import Path

from webui.core.caption_request import TASK, Caption
from webui.core.errors import Conflict
from webui.core.job import Identity, Job, State
from webui.core.model_work import WORKSHOP
from webui.core.settings import SettingsStore
from webui.engine.captions.captioners import Captioner, CaptionerProblem, choose, find_captioners
from webui.engine.work.library import Library
from webui.images.waiting import WaitingPictures
from webui.jobs.queue import Queue
from webui.jobs.scheduler import Scheduler
from webui.limits import check_waiting
from webui.model_works import Put

_OF_OWNER = ("Ask the owner of this machine for a captioner",)


class Captions:
    """The part of the service that describes pictures."""

    def __init__(self, library: Library, queue: Queue, scheduler: Scheduler, settings: SettingsStore, put: Put) -> None:
        self._library, self._queue, self._scheduler = library, queue, scheduler
        self._settings, self._put = settings, put
        self._alone = asyncio.Lock()

    async def captioners(self, who: Identity) -> list[Captioner]:
        """The captioners that were found; to visitors only those that work."""
        found = await asyncio.to_thread(find_captioners, self._library.models)
        return [one for one in found if who.is_owner or one.problem is None]

    async def submit(self, source: Path | bytes, title: str, who: Identity, captioner: str = "") -> Job:
        """Have the picture in a file or in bytes described; the job's result has the words as its `text`.

        title: what the picture is called. captioner: a name, "" for the first that works. Raises CaptionerProblem,
        UnknownName, BadPicture, TooMany, StorageProblem, and Conflict where there is no workshop.
        """
        if not self._scheduler.has(WORKSHOP):
            raise Conflict("This Darkroom has no workshop, so no pictures are described.")
        # One after the other: a large picture takes memory, and none may be cleared away before its job is in the line.
        async with self._alone:
            check_waiting(self._queue, self._settings.current, who)
            try:
                request = await asyncio.to_thread(self._taken, source, title, captioner, self._waited_for())
            except CaptionerProblem as error:
                # A guest cannot put one there.
                error.remedies = error.remedies if who.is_owner else _OF_OWNER
                raise
            # From here to the row nothing is awaited, so that many at once cannot slip past the limit.
            check_waiting(self._queue, self._settings.current, who)
            return self._put(request, who, TASK)

    def _taken(self, source: Path | bytes, title: str, captioner: str, waited_for: set[str]) -> Caption:
        """The request, its picture kept; pictures that no job waits for any more are taken away."""
        chosen = choose(self._library.models, captioner)
        assert self._library.pictures is not None
        pictures = WaitingPictures(self._library.pictures)
        picture = pictures.put(source)
        pictures.keep_only({picture, *waited_for})
        return Caption.from_values({"captioner": chosen.name, "picture": picture, "title": title[:200]})

    def _waited_for(self) -> set[str]:
        running = self._queue.list(None, (State.RUNNING,), limit=-1, workplace=WORKSHOP)
        waiting = self._queue.waiting(limit=-1, workplace=WORKSHOP)
        return {job.request.picture for job in (*running, *waiting) if isinstance(job.request, Caption)}
