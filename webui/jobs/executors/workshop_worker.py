"""The workshop process' main: does works on models, one after the other, and tells how far they are."""

from __future__ import annotations

import logging
import os
import threading
import time
from functools import partial
from pathlib import Path
from queue import SimpleQueue

from webui.core.errors import Conflict, DarkroomError, OutOfMemory, Problem, UnknownName
from webui.core.events import Failed, Finished, Loading, Note, Output, Progress
from webui.core.model_work import Made
from webui.core.registry import Registry
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.checkpoints.identify import Kinds
from webui.engine.work.base import Stopped, is_sentence
from webui.engine.work.download.fetch import FetchFiles
from webui.engine.work.download.look import Source
from webui.engine.work.library import Library
from webui.extension_life.pointer import use_packages
from webui.images.waiting import FOLDER
from webui.jobs.executors.arrived import is_fetched
from webui.jobs.executors.base import Verb, WorkerStatus
from webui.jobs.executors.messages import Cancel, Submit, Tell
from webui.jobs.executors.process import Link, end_it
from webui.jobs.executors.workshop import WorkshopConfig
from webui.plugins.loader import build_registry, load_plugins
from webui.plugins.model_sources import sources_of
from webui.plugins.resolve import resolve
from webui.plugins.watch import Watch

log = logging.getLogger(__name__)

_TELL_SECONDS = 0.1
"""How far a work is, is told so often at most: it says it for every tensor."""
# What torch says in place of a MemoryError.
_NO_MEMORY = "can't allocate memory"
_NICE = 10
"""Pictures that are made meanwhile come first."""
_STOPS = (Verb.INTERRUPT, Verb.STOP_NOW)


def main(link: Link, config: WorkshopConfig) -> None:
    """Serve the web process until it says stop; what is being done then is stopped, and leaves nothing behind."""
    if hasattr(os, "nice"):
        os.nice(_NICE)
    if config.cache_dir is not None and config.extension_folders:
        use_packages(config.cache_dir)
    plugins = load_plugins(
        config.extension_folders, "worker", config.disabled_extensions, link.marks, state=config.cache_dir
    )
    registry = build_registry(plugins)
    if any(report.ok for report in plugins.reports):
        Watch(plugins.meter, partial(end_it, link))
    stopped: set[str] = set()
    closing = threading.Event()
    works: SimpleQueue[Submit | None] = SimpleQueue()
    bench = _Bench(link, config, registry, sources_of(plugins), stopped, closing)
    # The thread that works is the second one, so that it can be told to stop at any moment.
    worker = threading.Thread(target=bench.work, args=(works,), name="work")
    worker.start()
    link.status(WorkerStatus("ready"))
    for command in link.commands():
        match command:
            case Submit():
                works.put(command)
            case Cancel():
                stopped.add(command.job_id)
            case Tell() if command.verb in _STOPS:
                stopped.add(command.job_id)
    closing.set()
    works.put(None)
    worker.join()


class _Bench:
    """Where one work after the other is done."""

    def __init__(
        self,
        link: Link,
        config: WorkshopConfig,
        registry: Registry,
        sources: tuple[Source, ...],
        stopped: set[str],
        closing: threading.Event,
    ) -> None:
        self._link = link
        self._config = config
        self._registry = registry
        self._sources = sources
        self._stopped = stopped
        self._closing = closing
        self._catalogue: Catalogue | None = None

    def work(self, works: SimpleQueue[Submit | None]) -> None:
        """Do what comes, until None comes."""
        while (job := works.get()) is not None:
            self._link.output(job.job_id, self._do(job))

    def _do(self, job: Submit) -> Output:
        """One work; how it ended."""
        begun = time.perf_counter()
        try:
            made = self._made(job, _Teller(self._link, job.job_id))
        except Stopped:
            return Finished(0, interrupted=True)
        except DarkroomError as error:
            return Failed(error.problem())
        # An extension's code may even ask to exit, which would end this thread and leave every work waiting.
        except (Exception, SystemExit) as error:
            if isinstance(error, MemoryError) or _NO_MEMORY in str(error):
                detail, way = "There is not enough memory for this work.", "Close programs that use much memory"
                return Failed(OutOfMemory(detail, remedies=(way,)).problem())
            log.exception("Job %s failed in a way nobody foresaw", job.job_id)
            detail = f"An error nobody foresaw: {type(error).__name__}. The log has the details."
            return Failed(Problem("error", "Something went wrong", detail))
        return Finished(0, timings={"worked": time.perf_counter() - begun}, result=made)

    def _made(self, job: Submit, teller: _Teller) -> Made:
        def should_stop() -> bool:
            return job.job_id in self._stopped or self._closing.is_set()

        row = self._registry.works.get(job.task)
        request = row.request.from_json(job.request)
        library = self._library()
        self._link.output(job.job_id, Loading("Looking at the files"))
        files = resolve(row.files)(request, library)
        if should_stop():
            raise Stopped("It was stopped before it began.")
        if job.again and isinstance(files, FetchFiles) and is_fetched(files, teller.tell, should_stop):
            return self._named(files.target)
        try:
            made: Path | Made = resolve(row.function)(request, files, teller.tell, should_stop)
        except Conflict:
            # A run that was killed after its last step has made it, though nobody heard.
            if not (job.again and request.keeps_place and files.target.exists()):
                raise
            made = files.target
        return made if isinstance(made, Made) else self._named(made)

    def _library(self) -> Library:
        config = self._config
        pictures = config.cache_dir / FOLDER if config.cache_dir else None
        return Library(self._open_catalogue, config.models, config.tokens, sources=self._sources, pictures=pictures)

    def _open_catalogue(self) -> Catalogue:
        if self._catalogue is None:
            kinds = Kinds.of(self._registry)
            config = self._config
            self._catalogue = Catalogue(config.model_folders, config.cache_dir, kinds=kinds, hash_large=False)
        else:
            self._catalogue.take_up()
        return self._catalogue

    def _named(self, path: Path) -> Made:
        """What was made, with its title where it is a checkpoint."""
        catalogue = self._open_catalogue()
        try:
            folder = catalogue.folder
            # By the way to it: in another folder may be one of the same name.
            found = catalogue.find(path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name)
        except UnknownName:
            return Made(path.name, str(path))
        return Made(path.name, str(path), found.title if found.path == path else "")


class _Teller:
    """Tells how far a work is, not too often; sentences are notes."""

    def __init__(self, link: Link, job_id: str) -> None:
        self._link = link
        self._job_id = job_id
        self._told = 0.0
        self._words = ""

    def tell(self, fraction: float, words: str) -> None:
        """See webui.engine.work.base.Progress."""
        if is_sentence(words):
            self._link.output(self._job_id, Note(words))
            return
        now = time.monotonic()
        if words != self._words or now - self._told >= _TELL_SECONDS or fraction >= 1:
            self._told, self._words = now, words
            self._link.output(self._job_id, Progress(round(fraction, 4), words))
