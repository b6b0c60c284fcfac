"""The one door: everything the page, the API and the CLI may ask of the house goes through Service."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from webui.acceptance import Acceptance
from webui.captions import Captions
from webui.cards import Cards
from webui.core.errors import NotAllowed, NotFound, TooMany
from webui.core.events import Failed, Queued
from webui.core.fields import ROWS, Field
from webui.core.infotext import Parsed
from webui.core.job import Identity, Job, Level, State, StoredPicture
from webui.core.job_request import JobRequest
from webui.core.panels import EXTENSIONS, stored_defaults
from webui.core.registry import AttentionBackend, Registry
from webui.core.request import GenerationRequest
from webui.core.setting_rows import public_settings
from webui.core.settings import Settings, SettingsStore
from webui.engine.attention.fitness import unfit
from webui.engine.checkpoints.catalogue import Catalogue, Checkpoint
from webui.engine.checkpoints.completion import PartFile
from webui.engine.checkpoints.counting import Counted
from webui.engine.work.library import Library
from webui.extension_languages import Languages
from webui.extension_life.cards import Cards as ExtensionCards
from webui.extension_life.life import Life
from webui.extension_routes import ExtensionRoutes
from webui.extension_settings import ExtensionSettings
from webui.extension_switch import Switch
from webui.extension_works import ExtensionWorks
from webui.images.store import PictureStore
from webui.jobs.bus import Bus, Envelope
from webui.jobs.queue import Queue
from webui.jobs.scheduler import Scheduler
from webui.limits import check_waiting
from webui.model_works import ModelWorks
from webui.picture_reading import PictureReading
from webui.plugins.manager import ExtensionReport, Plugins
from webui.plugins.meter import summed
from webui.prompting import Prompting
from webui.prompts import Prompts
from webui.scripts import Part, Scripts
from webui.setting_values import named
from webui.workers import Workers


class Service:
    """What may be done, by whom. Every method that reaches a job or a picture takes the asker's identity.

    A stranger's question about somebody else's thing gets NotFound: the answer tells nothing, not even that it exists.
    """

    def __init__(
        self,
        *,
        registry: Registry,
        cards: Cards,
        plugins: Plugins,
        settings: SettingsStore,
        catalogue: Catalogue,
        queue: Queue,
        bus: Bus,
        store: PictureStore,
        scheduler: Scheduler,
        prompts: Prompts,
        library: Library,
        life: Life,
        extension_cards: ExtensionCards,
    ) -> None:
        self.registry = registry
        self.cards = cards
        self.fields: Sequence[Field] = ROWS
        self._plugins = plugins
        self._settings = settings
        self._catalogue = catalogue
        self._queue = queue
        self._bus = bus
        self._store = store
        self._scheduler = scheduler
        self.prompts = prompts
        """Styles and wildcards: everybody's to use, the owner's to change."""
        self._acceptance = Acceptance(registry, catalogue, settings, self.fields, prompts, self._reports)
        self.prompting = Prompting(lambda: self.registry, catalogue, settings, prompts, cards, queue)
        """What helps to write prompts."""
        self.works = ModelWorks(registry, library, queue, scheduler, self._put)
        """Works on models, the owner's."""
        self.captions = Captions(library, queue, scheduler, settings, self._put)
        """Pictures put into words."""
        switch = Switch(
            plugins,
            lambda: settings.current.disabled_extensions,
            self._take,
            scheduler.renew,
            lambda: scheduler.blamed,
        )
        self.extension_works = ExtensionWorks(life, extension_cards, self._reports, switch)
        """Installing, switching and removing extensions, the owner's."""
        self.extension_settings = ExtensionSettings(plugins)
        """What the owner sets for extensions themselves."""
        self.languages = Languages(lambda: plugins.reports)
        """What the page can be read in."""
        self.workers = Workers(scheduler)
        self.extension_routes = ExtensionRoutes(self, plugins)
        self.picture_reading = PictureReading(self, plugins, catalogue)
        self.scripts = Scripts(lambda: self.registry.scripts, self._accepted, self._put, queue, settings)
        """Scripts of extensions, each for people of its level."""

    # Jobs

    async def submit(self, values: Mapping[str, Any], who: Identity, task: str = "txt2img") -> Job:
        """Accept a request and put it into the line. Raises InvalidField, ModelProblem, TooMany, StorageProblem."""
        # From the answer to the row nothing is awaited, so that many requests at once cannot slip past the limit.
        return self._put(await self._accepted(values, who), who, task)

    def job(self, job_id: str, who: Identity) -> Job:
        """One job with its pictures; NotFound unless it is the asker's own or the asker is the owner."""
        job = self._queue.get(job_id)
        if job.owner != who.id and not who.is_owner:
            raise NotFound("There is no such job.")
        return job

    def jobs(
        self,
        who: Identity,
        states: Collection[State] = (),
        limit: int = 50,
        before: float | None = None,
        everyone: bool = False,
        workplace: str | None = None,
    ) -> list[Job]:
        """The asker's jobs, newest first; `everyone` shows the owner all. `before`: created before this time;
        `workplace`: only those that are done there, DEVICE's pictures or WORKSHOP's works on models.
        """
        if everyone:
            _need_owner(who, "see other people's jobs")
        return self._queue.list(None if everyone else who.id, tuple(states), limit, before, workplace)

    def jobs_in_line(self, who: Identity, limit: int = 200) -> list[Job]:
        """What runs, then what waits in its order, at most `limit`: everybody's for the owner, else the asker's own."""
        owner = None if who.is_owner else who.id
        # In this order a job that is taken up between the two looks is in the second; it then counts as running.
        waiting = self._queue.waiting(limit, owner)
        running = self._queue.list(owner, (State.RUNNING,), limit)
        known = {job.id for job in running}
        return [*reversed(running), *(job for job in waiting if job.id not in known)][:limit]

    def positions(self) -> dict[str, int]:
        """The places of the waiting jobs in the line, from 0, by id."""
        return self._queue.positions()

    def notes(self, job: Job) -> list[str]:
        """Sentences about the job that stopped nothing, as a fallback that was taken, as far as they are known."""
        own = job.request.notes if isinstance(job.request, GenerationRequest) else ()
        return [*own, *self._bus.notes(job.id)]

    def reason(self, job: Job) -> str:
        """Why an active job waits again, was passed, or went before others; "" where there is nothing to say."""
        told = None if job.state.ended else self._bus.newest(job.id, Queued.name)
        return told.reason if isinstance(told, Queued) else ""

    def line(self) -> dict[str, Any]:
        """The whole line in numbers, which everybody may know."""
        running, waiting = (self._queue.count(state) for state in (State.RUNNING, State.QUEUED))
        return {"running": running, "waiting": waiting, "paused": self._queue.paused}

    def interrupt(self, job_id: str, who: Identity) -> None:
        """Finish the current picture, then end; a second time: end at this step and keep the picture as it is."""
        self._scheduler.interrupt(self.job(job_id, who).id)

    def skip(self, job_id: str, who: Identity) -> None:
        """End the current picture's batch at this step and go on with the next."""
        self._scheduler.skip(self.job(job_id, who).id)

    def cancel(self, job_id: str, who: Identity) -> None:
        """Abandon the job, waiting or running."""
        self._scheduler.cancel(self.job(job_id, who).id)

    def front(self, job_id: str, who: Identity) -> None:
        """Move a waiting job to the front of the line; the owner's right, since it passes other people's jobs."""
        _need_owner(who, "reorder the queue")
        self._queue.front(self.job(job_id, who).id)
        self._scheduler.wake()

    def pause(self, who: Identity) -> None:
        """Start no more jobs until `resume`; running ones end. Kept over a restart."""
        _need_owner(who, "pause the queue")
        self._scheduler.pause()

    def resume(self, who: Identity) -> None:
        """Start jobs again."""
        _need_owner(who, "resume the queue")
        self._scheduler.resume()

    def clear_waiting(self, who: Identity) -> int:
        """Cancel the asker's waiting jobs (for the owner everybody's) and say how many they were."""
        return self._scheduler.clear_waiting(None if who.is_owner else who.id)

    def follow(
        self, who: Identity, job_id: str | None = None, after: int | None = None, everyone: bool = False
    ) -> AsyncIterator[Envelope]:
        """Events of one job, or of all the asker's jobs; first the state so far, or what came after event `after`."""
        if job_id is not None:
            return self._bus.follow(self.job(job_id, who).id, after)
        if everyone:
            _need_owner(who, "follow other people's jobs")
        return self._bus.follow_owner(None if everyone else who.id, after)

    def preview(self, job_id: str, who: Identity) -> bytes | None:
        """The newest preview of a running job as JPEG, or None."""
        return self._scheduler.preview(self.job(job_id, who).id)

    # Pictures

    def pictures(
        self, who: Identity, limit: int = 60, before: float | None = None, search: str = ""
    ) -> list[StoredPicture]:
        """The asker's own pictures, newest first, created before `before`, `search` words in the infotext."""
        return self._queue.pictures(who.id, limit, before, search)

    def picture(self, picture_id: str, who: Identity) -> StoredPicture:
        """One picture's row; NotFound unless it is the asker's own or the asker is the owner."""
        return _theirs(self._queue.picture(picture_id), who)

    def picture_file(self, picture_id: str, who: Identity) -> Path:
        """Where the picture lies; NotFound when its file was removed by hand."""
        path = self._store.path(self.picture(picture_id, who).path)
        if not path.is_file():
            raise NotFound(f"The file {path.name} is no longer in the outputs folder.")
        return path

    def thumbnail(self, picture_id: str, who: Identity, side: int) -> bytes:
        """The picture scaled to fit a square of `side` pixels, as WebP."""
        self.picture_file(picture_id, who)
        return self._store.thumbnail(self.picture(picture_id, who).path, side)

    def delete_picture(self, picture_id: str, who: Identity) -> None:
        """Move a picture into the bin and take it off the lists."""
        picture = self.picture(picture_id, who)
        kept = self._store.to_bin(picture.path)
        self._queue.remove_picture(picture.id, kept or picture.path)

    def restore_picture(self, picture_id: str, who: Identity) -> StoredPicture:
        """Take a deleted picture out of the bin and put it on the lists again, where it was."""
        picture = _theirs(self._queue.picture(picture_id, removed=True), who)
        self._store.restore(picture.path)
        self._queue.restore_picture(picture.id)
        return picture

    # Catalogues

    def checkpoints(self, who: Identity) -> list[Checkpoint]:
        """The checkpoints that were found; to visitors only those that work."""
        return [c for c in self._catalogue.all() if who.is_owner or c.problem is None]

    def modules(self, who: Identity) -> list[PartFile]:
        """The files with VAEs, then those with text encoders; to visitors only those that work."""
        found = [*self._catalogue.vaes(), *self._catalogue.text_encoders()]
        return [file for file in found if who.is_owner or file.problem is None]

    def refresh_checkpoints(self, who: Identity) -> list[Checkpoint]:
        """Look into the folders again."""
        _need_owner(who, "refresh the list of checkpoints")
        self._catalogue.refresh()
        return self.checkpoints(who)

    def checkpoint_folder(self, who: Identity) -> str | None:
        """The folder that further checkpoints go into; the owner's to know."""
        return str(self._catalogue.folder) if who.is_owner else None

    def attention(self) -> list[tuple[AttentionBackend, str]]:
        """The attention backends, each with why no worker can use it: the end of a sentence, "" where none is known."""
        kinds = self.workers.device_types()
        return [(row, unfit(row, kinds)) for row in self.registry.attention]

    def defaults(self, checkpoint: str = "") -> dict[str, Any]:
        """Values of all fields for a checkpoint (empty: the chosen one): its native size, its good step count."""
        return self._acceptance.defaults(checkpoint)

    def count_tokens(self, asked: Counted | str, checkpoint: str = "") -> tuple[int, int]:
        """(tokens in the text, room in the chunks they fill)."""
        return self._acceptance.count_tokens(Counted(asked) if isinstance(asked, str) else asked, checkpoint)

    def parse_infotext(self, text: str) -> Parsed:
        """The fields that a parameters text carries; names are made canonical where they are known."""
        return self._acceptance.parsed(text)

    def extensions(self, who: Identity) -> tuple[ExtensionReport, ...]:
        """What was found in the extension folders, loaded or not."""
        _need_owner(who, "list the extensions")
        return self._reports()

    # Settings and state

    def settings(self, who: Identity) -> Settings:
        """The settings; the owner's to read."""
        _need_owner(who, "read the settings")
        return self._settings.current

    def update_settings(self, values: Mapping[str, Any], who: Identity) -> Settings:
        """Change settings; all or none are saved. Raises InvalidField."""
        _need_owner(who, "change the settings")
        now = self._settings.current
        settings = self._settings.update(named(values, now, self.registry, self._catalogue, self.languages))
        # It may be time for an idle worker's models to leave.
        self._scheduler.wake()
        return settings

    def public_settings(self) -> dict[str, Any]:
        """The few settings that everybody's page needs."""
        current = self._settings.current
        return {
            **public_settings(current),
            EXTENSIONS: stored_defaults(current.extensions, self.registry.panels),
        }

    def status(self, who: Identity) -> dict[str, Any]:
        """The workers' states and the line's numbers, for the head of the page; `worker` is the first of `workers`."""
        workers = self.workers.views(who)
        return {"worker": workers[0], "workers": workers, "queue": self.line()}

    def messages(self, who: Identity) -> list[str]:
        """Sentences the owner should read once: a damaged file that was set aside, an extension left out."""
        if not who.is_owner:
            return []
        messages = self._settings.message, self._queue.message, self.extension_works.left_out()
        return [message for message in messages if message]

    async def _accepted(self, values: Mapping[str, Any], who: Identity) -> GenerationRequest:
        """The request that these values mean, if this person may ask for it now."""
        request = await asyncio.to_thread(self._acceptance.request, values, lambda one: self._within_limits(one, who))
        await asyncio.to_thread(self._store.check_writable)
        self._within_limits(request, who)
        return request

    def _put(self, request: JobRequest, who: Identity, task: str, part: Part = Part()) -> Job:
        now, id_ = time.time(), secrets.token_hex(12)
        job = Job(id_, who.id, request, State.QUEUED, now, now, task, parent=part.parent, part=part.number)
        if part.refused:
            job = replace(job, state=State.FAILED, ended=now, problem=part.refused)
        self._queue.put(job)
        told = Failed(part.refused) if part.refused else Queued(self._queue.position(job.id))
        self._bus.publish(job.id, job.owner, told)
        self._scheduler.wake()
        return job

    def _take(self, registry: Registry) -> None:
        """Extensions were switched: these are the rows from now on."""
        self.registry = registry
        self._acceptance.take(registry)

    def _reports(self) -> tuple[ExtensionReport, ...]:
        """What became of each extension; one that only the worker could not load is left out there."""
        statuses = [worker.status for worker in self._scheduler.workers]
        failed = {one.extension: one for status in statuses for one in status.left_out}
        times = summed((*self._plugins.meter.times, *(time for status in statuses for time in status.hooks)))
        found = []
        for report in self._plugins.reports:
            if report.ok and (one := failed.get(report.name)):
                report = replace(report, ok=False, problem=one.problem, trace=one.trace)
            found.append(replace(report, hooks=tuple(time for time in times if time.extension == report.name)))
        return tuple(found)

    def _within_limits(self, request: GenerationRequest, who: Identity) -> None:
        if who.is_owner:
            return
        current = self._settings.current
        if request.pictures > current.max_pictures_visitor:
            raise TooMany(
                f"{request.pictures} pictures are more than the {current.max_pictures_visitor} "
                "that one job of a guest may make.",
                field="n_iter",
                remedies=("Lower the batch count",),
            )
        check_waiting(self._queue, current, who)


def _theirs(picture: StoredPicture, who: Identity) -> StoredPicture:
    if picture.owner != who.id and not who.is_owner:
        raise NotFound("There is no such picture.")
    return picture


def _need_owner(who: Identity, what: str) -> None:
    if who.level is not Level.OWNER:
        raise NotAllowed(f"Only the owner of this machine may {what}.")
