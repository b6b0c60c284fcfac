"""The composition root: the one place that constructs the parts and connects them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

from webui.core.job import LOCAL_OWNER
from webui.core.paths import Paths
from webui.core.settings import SettingsStore
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.config import EngineConfig
from webui.images.store import PictureStore
from webui.jobs.bus import Bus
from webui.jobs.executors.base import Executor
from webui.jobs.executors.local import LocalExecutor
from webui.jobs.history import Recall
from webui.jobs.queue import Queue
from webui.jobs.recovery import take_up
from webui.jobs.scheduler import Scheduler
from webui.plugins.manager import Plugins, build_registry, load_plugins
from webui.service import Service

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class House:
    """Everything that runs in the web process besides the web itself."""

    paths: Paths
    settings: SettingsStore
    plugins: Plugins
    service: Service
    scheduler: Scheduler
    executor: Executor
    queue: Queue
    store: PictureStore

    def messages(self) -> list[str]:
        """Sentences for whoever started the program: a damaged file that was set aside, an extension left out."""
        return self.service.messages(LOCAL_OWNER)

    @asynccontextmanager
    async def running(self, only: Collection[str] | None = None) -> AsyncIterator[Service]:
        """Start the worker and the scheduler, and stop both in order: running jobs go back to the line.

        With `only` no other jobs than these ids are taken up; ids may be added while it runs.
        """
        # A stack closes what is left in it whatever goes wrong with the others.
        async with AsyncExitStack() as stack:
            stack.callback(self.queue.close)
            await asyncio.to_thread(take_up, self.queue, self.store)
            stack.push_async_callback(self.executor.close)
            await self.executor.start()
            task = asyncio.create_task(self.scheduler.run(only), name="scheduler")
            task.add_done_callback(_report)
            stack.push_async_callback(_stop, task)
            yield self.service


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        log.error("The line stands still until Darkroom is started again", exc_info=error)


def compose(paths: Paths, settings: SettingsStore, engine: EngineConfig, executor: Executor | None = None) -> House:
    """Build the house on these folders. Without an `executor` jobs run in a worker process with `engine`'s options."""
    plugins = load_plugins(paths.extensions, "web", settings.current.disabled_extensions)
    registry = build_registry(plugins)
    catalogue = Catalogue(paths.checkpoints, paths.state, families=registry.families)
    queue = Queue(paths.database)
    bus = Bus(Recall(queue))
    store = PictureStore(paths.outputs, owner=queue.name)
    executor = executor or LocalExecutor(engine)
    scheduler = Scheduler(queue, bus, executor, store, plugins, settings)
    service = Service(
        registry=registry,
        plugins=plugins,
        settings=settings,
        catalogue=catalogue,
        queue=queue,
        bus=bus,
        store=store,
        scheduler=scheduler,
    )
    return House(paths, settings, plugins, service, scheduler, executor, queue, store)
