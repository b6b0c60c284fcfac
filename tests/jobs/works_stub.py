"""A workshop without a process, whose works end when a test says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable

from webui.core.events import Finished, Output, Progress
from webui.core.job import Job
from webui.core.model_work import WORKSHOP, Made
from webui.jobs.executors.base import Controls, Verb, WorkerStatus


class Stubborn:
    """Does one work at a time until `done` is set, whatever it is told meanwhile."""

    workplace = WORKSHOP

    def __init__(self) -> None:
        self.done = asyncio.Event()
        self.result = Made("made.safetensors")
        self.work: Callable[[], object] = lambda: None
        """What it does in the end."""
        self.told: list[Verb] = []
        self.ran: list[str] = []

    async def start(self) -> None:
        """There is nothing to start."""

    async def close(self) -> None:
        """There is nothing to close."""

    def status(self) -> WorkerStatus:
        """Ready."""
        return WorkerStatus("ready")

    def room(self) -> int:
        """One work at a time."""
        return 1

    def watch(self, changed: Callable[[], None]) -> None:
        """Its state never changes."""

    async def run(self, job: Job, controls: Controls, done: frozenset[int]) -> AsyncGenerator[Output, None]:
        """See Executor.run."""
        self.ran.append(job.id)
        controls.listen(self.told.append)
        yield Progress(0.5, "Working")
        await self.done.wait()
        self.work()
        yield Finished(0, result=self.result)
