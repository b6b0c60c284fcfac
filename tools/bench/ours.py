"""Our side: the whole house without its page, from submit to the saved file."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from webui.app import compose, local_workers
from webui.core.errors import DarkroomError
from webui.core.events import Failed, Finished, ImageReady
from webui.core.job import LOCAL_OWNER
from webui.core.paths import Paths
from webui.core.settings import SettingsStore
from webui.engine.config import EngineConfig
from webui.service import Service


class Ours:
    """A running house; previews are off, as the other side makes none."""

    def __init__(self, service: Service) -> None:
        self.service = service

    @classmethod
    @asynccontextmanager
    async def running(cls, paths: Paths, engine: EngineConfig) -> AsyncIterator[Ours]:
        """The house on these folders, its worker ready when this is entered."""
        settings = SettingsStore(paths.settings, {"live_previews_enable": False})
        engine = replace(engine, model_folders=paths.model_folders, cache_dir=paths.state)
        async with compose(paths, settings, local_workers([engine])).running() as service:
            yield cls(service)

    async def picture(self, values: Mapping[str, Any]) -> tuple[float, Path]:
        """(seconds from submit to the saved file, the file)."""
        start = time.perf_counter()
        job = await self.service.submit(values, LOCAL_OWNER)
        saved, picture = 0.0, ""
        async for envelope in self.service.follow(LOCAL_OWNER, job.id):
            match envelope.event:
                case ImageReady(id=picture):
                    saved = time.perf_counter() - start
                case Failed(problem=problem):
                    raise DarkroomError(f"The bench's job failed: {problem.detail}")
                case Finished():
                    break
        return saved, self.service.picture_file(picture, LOCAL_OWNER)

    async def together(self, requests: Sequence[Mapping[str, Any]]) -> float:
        """Seconds from the first submit until the last of these requests, submitted at once, is saved."""
        start = time.perf_counter()
        await asyncio.gather(*(self.picture(values) for values in requests))
        return time.perf_counter() - start
