"""The workshop: the executor of works on models, in a process that is there only while there is work. Torch-free."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from webui.core.errors import WorkerProblem
from webui.core.events import Failed, Finished, Loading, Output
from webui.core.job import Job
from webui.core.model_folders import ModelFolders
from webui.core.model_memory import Unloaded
from webui.core.model_work import WORKSHOP
from webui.jobs.executors.base import Controls, WorkerDied, WorkerStatus
from webui.jobs.executors.messages import Cancel, Report, Said, Submit, Tell
from webui.jobs.executors.process import WorkerProcess

log = logging.getLogger(__name__)

WORKSHOP_WORKER = "webui.jobs.executors.workshop_worker:main"
_DOCTOR = ("Run launch.py doctor",)
IDLE_SECONDS = 20.0
"""So long the process waits for further work; then its memory is free again."""
_STOP_SECONDS = 10.0
_SILENT_DEATHS = 3
"""So many processes may die in a row without a word; the next one would too."""


@dataclass(frozen=True, slots=True)
class WorkshopConfig:
    """What the workshop needs to know besides the requests. models: the folder that downloads go into."""

    model_folders: ModelFolders = field(default_factory=ModelFolders)
    models: Path = Path("models")
    tokens: Path | None = None
    cache_dir: Path | None = None
    extension_folders: tuple[Path, ...] = ()
    disabled_extensions: tuple[str, ...] = ()


@dataclass(slots=True)
class _Bench:
    """One process, and what is heard of the work in it."""

    process: WorkerProcess | None = None
    outputs: asyncio.Queue[Output | WorkerDied] = field(default_factory=asyncio.Queue)
    job_id: str = ""
    heard: bool = False
    """Whether it has said anything of that job."""


class Workshop:
    """Does one work at a time. `target` is the process' main, "module:function", called there with `config`."""

    workplace = WORKSHOP

    def __init__(
        self, config: WorkshopConfig, target: str = WORKSHOP_WORKER, *, idle_seconds: float = IDLE_SECONDS
    ) -> None:
        self._config = config
        self._target = target
        self._idle_seconds = idle_seconds
        self._bench: _Bench | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._endings: set[asyncio.Task[None]] = set()
        self._silent_deaths = 0
        self._working = False
        self._outdated = False

    async def start(self) -> None:
        """Nothing is started before there is work."""

    async def close(self) -> None:
        """End the process."""
        self._dismiss()
        await self._ended()

    def status(self) -> WorkerStatus:
        """Always ready: the process is started for whoever comes."""
        return WorkerStatus("ready")

    async def unload(self) -> Unloaded:
        """It holds no models between works: its process ends by itself."""
        return Unloaded()

    def renew(self, disabled: Sequence[str]) -> None:
        """See Executor.renew."""
        if isinstance(self._config, WorkshopConfig):
            self._config = replace(self._config, disabled_extensions=tuple(disabled))
        self._outdated = self._working
        if not self._working:
            self._dismiss()

    def room(self) -> int:
        """One work at a time: each may take all the memory and all of the disk's speed."""
        return 1

    def watch(self, changed: Callable[[], None]) -> None:
        """Its state never changes."""

    @property
    def pid(self) -> int | None:
        """The process' id, or None while there is none."""
        return self._bench.process.pid if self._bench and self._bench.process else None

    async def run(self, job: Job, controls: Controls, done: frozenset[int]) -> AsyncGenerator[Output, None]:
        """See Executor.run."""
        if self._idle is not None:
            self._idle.cancel()
        # A work that was left may still hold its file open.
        await self._ended()
        if self._bench is None:
            yield Loading("The workshop opens")
            self._bench = self._open()
        bench, process = self._bench, self._bench.process
        assert process is not None
        bench.job_id, bench.heard = job.id, False
        # As JSON: an extension's types are not known there before the extension is loaded.
        process.send(Submit(job.id, job.request.to_json(), done, alone=True, again=job.again, task=job.task))
        controls.listen(lambda verb: process.send(Tell(job.id, verb)))
        over, self._working = False, True
        try:
            while not over:
                output = await bench.outputs.get()
                if isinstance(output, WorkerDied):
                    over = True
                    output = self._judged(output)
                    if isinstance(output, WorkerDied):
                        raise output
                self._silent_deaths = 0
                over = over or isinstance(output, Finished | Failed)
                yield output
        finally:
            self._working = False
            if over and not self._outdated:
                loop = asyncio.get_running_loop()
                self._idle = loop.call_later(self._idle_seconds, self._dismiss)
            else:
                if not over:
                    process.send(Cancel(job.id))
                self._outdated = False
                self._dismiss()

    def _judged(self, death: WorkerDied) -> WorkerDied | Failed:
        """A death, which is no work's fault before the process has taken it up; the failure where that never comes."""
        self._silent_deaths = 0 if death.ran else self._silent_deaths + 1
        if self._silent_deaths < _SILENT_DEATHS:
            return death
        sentence = f"The workshop ended {self._silent_deaths} times before it had begun, the last time so: {death}"
        return Failed(WorkerProblem(sentence, remedies=_DOCTOR).problem())

    async def _ended(self) -> None:
        """Wait for processes that end; who is cancelled meanwhile leaves them to it."""
        if self._endings:
            await asyncio.wait(self._endings)

    def _open(self) -> _Bench:
        bench = _Bench()

        def heard(report: Report) -> None:
            if isinstance(report, Said) and report.job_id == bench.job_id:
                bench.heard = True
                bench.outputs.put_nowait(report.output())

        def died(sentence: str, known: bool) -> None:
            if self._bench is bench:
                self._bench = None
            # What it found missing itself, another one would find missing too.
            problem = Failed(WorkerProblem(sentence, remedies=_DOCTOR).problem())
            death = WorkerDied(ran=bench.heard, taken=bench.heard, detail=sentence)
            bench.outputs.put_nowait(problem if known else death)

        try:
            bench.process = WorkerProcess(self._target, self._config, heard, died)
        except OSError as error:
            raise WorkerProblem(f"The workshop cannot be opened: {error.strerror or error}.") from error
        return bench

    def _dismiss(self) -> None:
        """End the process; a work in it takes away what it has begun."""
        bench, self._bench = self._bench, None
        if bench is None or bench.process is None:
            return
        ending = asyncio.ensure_future(asyncio.to_thread(bench.process.stop, _STOP_SECONDS))
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)
