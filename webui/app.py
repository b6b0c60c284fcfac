"""The composition root: the one place that constructs the parts and connects them."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

from webui.cards import CardPlaces, Cards
from webui.core.job import LOCAL_OWNER, Job
from webui.core.paths import Paths
from webui.core.request import GenerationRequest
from webui.core.settings import SettingsStore
from webui.engine.cards.shelf import Shelf
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.checkpoints.identify import Kinds
from webui.engine.config import EngineConfig
from webui.engine.work.download.tokens import NAME
from webui.engine.work.library import Library
from webui.extension_life.cards import Cards as ExtensionCards
from webui.extension_life.index import split_addresses
from webui.extension_life.life import Life
from webui.extension_life.pointer import use_packages
from webui.images.store import PictureStore
from webui.images.waiting import FOLDER as WAITING
from webui.jobs.bus import Bus
from webui.jobs.executors.base import Executor, SaysWhatIsLeftOut
from webui.jobs.executors.local import LocalExecutor
from webui.jobs.executors.scripts import Desk, ScriptExecutor
from webui.jobs.executors.workshop import IDLE_SECONDS, Workshop, WorkshopConfig
from webui.jobs.followers import Followers
from webui.jobs.history import Recall
from webui.jobs.queue import Queue
from webui.jobs.recovery import take_up
from webui.jobs.scheduler import Scheduler
from webui.plugins.loader import build_registry, load_plugins
from webui.plugins.manager import Plugins
from webui.plugins.model_sources import sources_of
from webui.prompt_files.styles import StyleFiles
from webui.prompt_files.wildcards import FileWildcards
from webui.prompts import Prompts
from webui.seals import Seals
from webui.service import Service

log = logging.getLogger(__name__)

# So many seconds the page waits for files of models that were never looked into; the others come while it is there.
_PATIENCE = 2.0


@dataclass(frozen=True, slots=True)
class House:
    """Everything that runs in the web process besides the web itself."""

    paths: Paths
    settings: SettingsStore
    plugins: Plugins
    service: Service
    scheduler: Scheduler
    executors: tuple[Executor, ...]
    queue: Queue
    store: PictureStore

    def messages(self) -> list[str]:
        """Sentences for whoever started the program: a damaged file that was set aside, an extension left out."""
        return self.service.messages(LOCAL_OWNER)

    @asynccontextmanager
    async def running(self, only: Collection[str] | None = None) -> AsyncIterator[Service]:
        """Start the workers and the scheduler, and stop all in order: running jobs go back to the line.

        With `only` no other jobs than these ids are taken up; ids may be added while it runs.
        """
        # A stack closes what is left in it whatever goes wrong with the others.
        async with AsyncExitStack() as stack:
            stack.callback(self.queue.close)
            stack.push_async_callback(self.service.extension_works.close)
            await asyncio.to_thread(take_up, self.queue, self.store)
            stack.push_async_callback(self._close_workers)
            for executor in self.executors:
                await executor.start()
            task = asyncio.create_task(self.scheduler.run(only), name="scheduler")
            task.add_done_callback(_report)
            stack.push_async_callback(_stop, task)
            yield self.service

    async def _close_workers(self) -> None:
        ends = await asyncio.gather(*(executor.close() for executor in self.executors), return_exceptions=True)
        for error in filter(None, ends):
            raise error


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        log.error("The line stands still until Darkroom is started again", exc_info=error)


def local_workers(engines: Sequence[EngineConfig]) -> tuple[Executor, ...]:
    """An executor for each of these engines, in a worker process of its own; several are told apart by their device."""
    if len(engines) == 1:
        return (LocalExecutor(engines[0]),)
    numbers: Counter[str] = Counter()
    executors = []
    for engine in engines:
        numbers[engine.device] += 1
        number = f" ({numbers[engine.device]})" if engine.sharers > 1 else ""
        executors.append(LocalExecutor(engine, label=f"{engine.device}{number}"))
    return tuple(executors)


def workshop(paths: Paths, settings: SettingsStore, *, idle_seconds: float = IDLE_SECONDS) -> Workshop:
    """The executor of works on models on these folders."""
    return Workshop(
        WorkshopConfig(
            model_folders=paths.model_folders,
            models=paths.models,
            tokens=paths.state / NAME,
            cache_dir=paths.state,
            extension_folders=paths.extensions,
            disabled_extensions=settings.current.disabled_extensions,
        ),
        idle_seconds=idle_seconds,
    )


def compose(paths: Paths, settings: SettingsStore, executors: Sequence[Executor]) -> House:
    """Build the house on these folders; each of the executors is one worker."""
    if paths.use_extensions:
        use_packages(paths.state)
    plugins = load_plugins(paths.extensions, "web", settings.current.disabled_extensions, state=paths.state)
    for executor in executors:
        if isinstance(executor, SaysWhatIsLeftOut):
            executor.know(plugins.left_out)
    registry = build_registry(plugins)
    catalogue = Catalogue(paths.model_folders, paths.state, kinds=Kinds.of(registry), patience=_PATIENCE)
    queue = Queue(paths.database, kinds=registry.request_kinds)
    bus = Bus(Recall(queue), Followers(plugins).tell)
    store = PictureStore(paths.outputs, owner=queue.name)
    shelf = Shelf(catalogue, registry, paths.state, paths.other_models)

    def made() -> None:
        catalogue.refresh()
        # Its kinds that the catalogue does not know change no list there.
        shelf.look_again()

    async def put_part(parent: Job, request: GenerationRequest, part: int, pictures: int) -> Job:
        return await service.scripts.put_part(parent, request, part, pictures)

    desk = Desk(plugins, queue, bus, store.path, put_part, lambda job_id: scheduler.interrupt(job_id))
    # The script's executor has no process of its own, so there is none to start and to stop.
    all_executors = (*executors, ScriptExecutor(desk))
    scheduler = Scheduler(queue, bus, all_executors, store, plugins, settings, made=made)
    life = Life(
        paths,
        disabled=lambda: settings.current.disabled_extensions,
        disable=lambda names: settings.update({"disabled_extensions": names}),
        indexes=lambda: split_addresses(settings.current.extension_indexes),
    )
    places = CardPlaces(paths.outputs / ".cache" / "models", paths.bin / "model-previews")
    service = Service(
        cards=Cards(shelf, catalogue, registry, settings, places),
        registry=registry,
        plugins=plugins,
        settings=settings,
        catalogue=catalogue,
        queue=queue,
        bus=bus,
        store=store,
        scheduler=scheduler,
        prompts=Prompts(StyleFiles(paths.style_files), FileWildcards(lambda: paths.wildcards), Seals(paths.seals)),
        library=Library(
            lambda: catalogue,
            paths.models,
            paths.state / NAME,
            sources=sources_of(plugins),
            pictures=paths.state / WAITING,
        ),
        life=life,
        extension_cards=ExtensionCards(life, paths.state, plugins.brought, loads=paths.use_extensions),
    )
    return House(paths, settings, plugins, service, scheduler, tuple(executors), queue, store)
