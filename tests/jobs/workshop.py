"""A house with a workshop in it: tiny checkpoints to work on, through the service as the API does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tests.engine import singles
from webui.app import House, compose, workshop
from webui.core.events import ENDS, Event
from webui.core.job import LOCAL_OWNER, Job
from webui.core.paths import Paths
from webui.core.settings import SettingsStore
from webui.jobs.executors.fake import FakeExecutor
from webui.jobs.executors.workshop import Workshop

MERGE = {"primary_model_name": "one", "secondary_model_name": "two", "multiplier": 0.25}
MADE = "0.75(one) + 0.25(two).safetensors"


def write_models(home: Path, *, ballast: int = 0) -> Path:
    """Two checkpoints of SD1 with a table of noise levels, to merge and prune; so many further tensors of 4 MiB."""
    folder = home / "models" / "Stable-diffusion"
    folder.mkdir(parents=True)
    for seed, name in enumerate(("one", "two")):
        tensors = {**singles.sd("sd1", seed=seed).tensors(), "betas": torch.ones(10)}
        # What no network reads is carried along: it makes a work as long as a test needs it.
        tensors |= {f"model.ballast.{n}": torch.full((1024, 1024), float(seed)) for n in range(ballast)}
        singles.write(tensors, folder / f"{name}.safetensors")
    return folder


@dataclass
class Works:
    """A house at work, and ways to ask it."""

    house: House
    shop: Workshop
    folder: Path

    async def submit(self, work: str, /, **values: Any) -> Job:
        """Have a work done."""
        return await self.house.service.works.submit(work, values, LOCAL_OWNER)

    async def until(self, job: Job, wanted: Callable[[Event], bool]) -> list[Event]:
        """The job's events so far, up to the first that is wanted, or its end."""
        found: list[Event] = []
        async for envelope in self.house.service.follow(LOCAL_OWNER, job.id):
            found.append(envelope.event)
            if wanted(envelope.event):
                return found
        return found

    async def end(self, job: Job) -> Event:
        """How it ended."""
        return (await self.until(job, lambda event: isinstance(event, ENDS)))[-1]

    def left(self) -> list[str]:
        """Hidden files that a work left behind."""
        return [path.name for path in (self.folder.parent).rglob(".darkroom-*")]


@asynccontextmanager
async def works(home: Path, *, idle_seconds: float = 20.0) -> AsyncIterator[Works]:
    """A house on this data folder, with a fake device and a real workshop."""
    paths = Paths(data_dir=home, program_dir=home)
    settings = SettingsStore(paths.settings)
    shop = workshop(paths, settings, idle_seconds=idle_seconds)
    house = compose(paths, settings, [FakeExecutor(0.005), shop])
    async with house.running():
        yield Works(house, shop, paths.models / "Stable-diffusion")
        await asyncio.sleep(0)
