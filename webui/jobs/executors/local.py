"""The executor of this machine: one worker process, started at once, started again when it dies. Torch-free."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field, replace

from webui.core.events import Failed, Finished, Loading, Output, Step
from webui.core.job import Job
from webui.core.model_memory import Unloaded
from webui.core.request import DEVICE
from webui.engine.config import EngineConfig
from webui.jobs.executors.base import Controls, NoWorker, WorkerDied, WorkerState, WorkerStatus
from webui.jobs.executors.blame import Blame
from webui.jobs.executors.messages import Cancel, Gone, Report, Said, Status, Submit, Tell, Unload
from webui.jobs.executors.process import WorkerProcess
from webui.plugins.meter import HookTime, summed

log = logging.getLogger(__name__)

ENGINE_WORKER = "webui.jobs.executors.worker:main"
CAPACITY = 16
"""Jobs in the worker at once; the engine groups their rows and lets groups take turns."""
DRIFT = 2 * 2**30
"""Bytes of RAM that a worker may gain over its life before it is replaced."""
_RESTART_SECONDS = (0.1, 1.0, 2.0, 5.0, 15.0, 30.0)
_STABLE_SECONDS = 60.0
"""A worker that lived so long is no sign of trouble when it dies."""
_TRIES = 3
"""Deaths in a row before a worker was ever ready, after which jobs fail instead of waiting for it."""
_STOP_SECONDS = 10.0
_UNLOAD_SECONDS = 60.0


@dataclass(slots=True)
class _Run:
    """A job in the worker; `ran` once its lanes were running, `ended` once the worker has said so."""

    outputs: asyncio.Queue[Output | WorkerDied] = field(default_factory=asyncio.Queue)
    ran: bool = False
    ended: bool = False
    over: bool = False


class LocalExecutor:
    """Runs jobs in a worker process. `target` is the worker's main, "module:function", called there with `config`.

    `label` tells it from other workers: it stands before the device's name. `drift`: a process that keeps so many
    bytes of RAM more than after its first job, its models not counted, is replaced by a fresh one between jobs, when
    it was found so twice in a row.
    """

    workplace = DEVICE

    def __init__(
        self,
        config: object,
        target: str = ENGINE_WORKER,
        capacity: int = CAPACITY,
        *,
        label: str = "",
        drift: int = DRIFT,
    ) -> None:
        self._config = config
        self._target = target
        self._capacity = capacity
        self._label = label
        self._drift = drift
        self._usual: int | None = None
        """Bytes of RAM besides the models, after the process's first job."""
        self._has_worked = False
        self._has_grown = False
        self._outdated = False
        """Whether the process is to be replaced as soon as it has no job."""
        self._retired: asyncio.Task[None] | None = None
        self._renews = False
        """Whether the process that starts stands in for one that was outdated."""
        self._status = WorkerStatus("starting", label, "The worker starts.")
        self._changed: Callable[[], None] = lambda: None
        self._news = asyncio.Event()
        """Set, and replaced, when the status changes."""
        self._worker: WorkerProcess | None = None
        self._spent: tuple[HookTime, ...] = ()
        """What hooks have cost in the processes before this one."""
        self._told: tuple[tuple[str, str], ...] = ()
        """The extensions that it has left out, each with the reason."""
        self._told_here: Callable[[], Sequence[tuple[str, str]]] = lambda: ()
        self._runs: dict[str, _Run] = {}
        self._numbers = itertools.count()
        self._unloading: dict[int, asyncio.Future[Unloaded]] = {}
        self._born = 0.0
        self._deaths = 0
        self._unready_deaths = 0
        self._blame = Blame()
        self._restart: asyncio.TimerHandle | None = None
        self._closing = False

    async def start(self) -> None:
        """Start the worker process; returns at once."""
        self._spawn()

    async def close(self) -> None:
        """Stop the worker process."""
        self._closing = True
        if self._restart is not None:
            self._restart.cancel()
        if self._worker is not None:
            await asyncio.to_thread(self._worker.stop, _STOP_SECONDS)

    def status(self) -> WorkerStatus:
        """How the worker is."""
        return self._status

    async def unload(self) -> Unloaded:
        """See Executor.unload."""
        if self._worker is None or self._status.state != "ready":
            return Unloaded()
        number = next(self._numbers)
        answer: asyncio.Future[Unloaded] = asyncio.get_running_loop().create_future()
        self._unloading[number] = answer
        self._worker.send(Unload(number))
        try:
            return await asyncio.wait_for(answer, _UNLOAD_SECONDS)
        except TimeoutError:
            log.warning("%sThe worker does not say what it unloaded.", self._label and f"{self._label}: ")
            return Unloaded()
        finally:
            del self._unloading[number]

    def know(self, told: Callable[[], Sequence[tuple[str, str]]]) -> None:
        """Have workers not say again what this process has said in the log: told() answers as EngineConfig.told."""
        self._told_here = told

    def renew(self, disabled: Sequence[str]) -> None:
        """See Executor.renew."""
        if forgiven := self._blame.forgive(disabled):
            # Said at once: it is tried again, and jobs that ask for it wait for the fresh process.
            left_out = tuple(one for one in self._status.left_out if one.extension not in forgiven)
            self._set_status(replace(self._status, left_out=left_out, blamed=self._blame.names))
        if isinstance(self._config, EngineConfig):
            self._config = replace(self._config, disabled_extensions=tuple(disabled))
        self._outdated = True
        self._renew_when_idle()

    def room(self) -> int:
        """How many jobs may run at once."""
        return 0 if self._outdated else self._capacity

    def watch(self, changed: Callable[[], None]) -> None:
        """See Executor.watch."""
        self._changed = changed

    @property
    def pid(self) -> int | None:
        """The worker's process id, or None while there is none."""
        return self._worker.pid if self._worker else None

    async def run(self, job: Job, controls: Controls, done: frozenset[int]) -> AsyncGenerator[Output, None]:
        """See Executor.run. Waits for a worker that is not ready yet."""
        if self._status.state != "ready":
            yield Loading(self._status.detail)
        worker = await self._ready_worker()
        run = self._runs[job.id] = _Run()
        worker.send(Submit(job.id, job.request, done, job.alone or job.request.alone))
        controls.listen(lambda verb: worker.send(Tell(job.id, verb)))
        try:
            while not run.over:
                output = await run.outputs.get()
                if isinstance(output, WorkerDied):
                    run.over = True
                    raise output
                run.over = isinstance(output, Finished | Failed)
                yield output
        finally:
            del self._runs[job.id]
            if not run.over:
                worker.send(Cancel(job.id))
            self._renew_when_idle()

    async def _ready_worker(self) -> WorkerProcess:
        while self._worker is None or self._status.state != "ready":
            if self._status.state == "failed":
                raise NoWorker(
                    f"No pictures can be made: {self._status.detail}",
                    remedies=("Look into the log", "Run launch.py doctor"),
                )
            await self._news.wait()
        return self._worker

    def _renew_when_idle(self) -> None:
        if (
            self._outdated
            and not self._closing
            and not self._runs
            and self._worker is not None
            and self._status.state == "ready"
        ):
            self._renews = True
            self._retire(self._worker, "A fresh worker takes this one's place.")

    def _retire(self, worker: WorkerProcess, sentence: str) -> None:
        """Stop the process; another one follows it."""
        self._set_status(self._without_models("restarting", sentence))
        self._retired = asyncio.create_task(asyncio.to_thread(worker.stop, _STOP_SECONDS))

    def _look_for_drift(self) -> None:
        """Replace the process where the status that came just now says that it keeps much more than it used to.

        Only while it has no job. A job that was cancelled may still be at work then, so one reading is not believed.
        """
        now = self._status.besides
        busy = self._closing or any(not run.ended for run in self._runs.values())
        if busy or not self._has_worked or self._worker is None or not now or not self._status.models:
            return
        if self._usual is None:
            self._usual = now
            return
        had_grown, self._has_grown = self._has_grown, now - self._usual > self._drift
        if had_grown and self._has_grown:
            sentence = (
                f"The worker's memory grew by {(now - self._usual) / 2**30:.1f} GiB; a fresh one takes its place."
            )
            log.warning("%s%s", self._label and f"{self._label}: ", sentence)
            self._retire(self._worker, sentence)

    def _spawn(self) -> None:
        self._born, self._usual, self._has_worked, self._has_grown = time.monotonic(), None, False, False
        self._outdated, self._spent = False, self._status.hooks
        try:
            self._worker = WorkerProcess(self._target, self._configured(), self._heard, self._died)
        except OSError as error:
            self._died(f"The worker cannot be started: {error.strerror or error}.", known=False)

    def _heard(self, report: Report) -> None:
        if isinstance(report, Status):
            self._unready_deaths = 0
            device = ", ".join(filter(None, (self._label, report.status.device)))
            hooks = summed((*self._spent, *report.status.hooks))
            if self._retired is not None:
                # Of a process that is to end only its last count is wanted.
                self._status = replace(self._status, hooks=hooks)
            else:
                self._told = tuple((one.extension, one.problem) for one in report.status.left_out)
                left_out = *report.status.left_out, *self._blame.left_out
                status = replace(report.status, device=device, left_out=left_out, blamed=self._blame.names, hooks=hooks)
                self._set_status(status)
                if self._renews and self._status.state == "ready":
                    self._renews = False
                    log.info("%sThe worker was renewed.", self._label and f"{self._label}: ")
                self._look_for_drift()
                # Asked for while it started: it may have loaded what has changed since.
                self._renew_when_idle()
        elif isinstance(report, Gone):
            if (answer := self._unloading.get(report.number)) and not answer.done():
                answer.set_result(report.unloaded)
        elif isinstance(report, Said) and (run := self._runs.get(report.job_id)):
            output = report.output()
            run.ran = run.ran or isinstance(output, Step)
            run.ended = isinstance(output, Finished | Failed)
            self._has_worked = self._has_worked or run.ended
            run.outputs.put_nowait(output)

    def _configured(self) -> object:
        """What the next process is told: to leave out extensions inside of which others died, too."""
        config = self._config
        if not isinstance(config, EngineConfig):
            return config
        disabled = *config.disabled_extensions, *self._blame.names
        return replace(config, disabled_extensions=disabled, told=(*self._told_here(), *self._told))

    def _died(self, sentence: str, known: bool) -> None:
        blamed = len(self._blame.names)
        if self._worker is not None:
            sentence = self._blame.died(self._worker.inside(), sentence)
        self._worker = None
        suspects_ran = any(run.ran for run in self._runs.values())
        for run in self._runs.values():
            # Where lanes were running they are the suspects; else everything that the worker had begun with.
            run.outputs.put_nowait(WorkerDied(run.ran, taken=not suspects_ran, detail=sentence))
        for answer in self._unloading.values():
            if not answer.done():
                answer.set_result(Unloaded())
        if self._closing:
            return
        if self._retired is not None:
            self._retired = None
            self._spawn()
            return
        was_ready = self._status.state == "ready"
        self._unready_deaths += not was_ready
        self._deaths = 1 if time.monotonic() - self._born > _STABLE_SECONDS else self._deaths + 1
        # No such device, no torch: somebody has to act first; that they have, a later start finds out.
        hopeless = known and not was_ready
        if len(self._blame.names) > blamed:
            # The next one is without what was the matter.
            self._unready_deaths, hopeless = 0, False
        delay = _RESTART_SECONDS[-1 if hopeless else min(self._deaths, len(_RESTART_SECONDS)) - 1]
        log.error("%s%s It is started again in %g s.", self._label and f"{self._label}: ", sentence, delay)
        failed = hopeless or self._unready_deaths >= _TRIES
        status = self._without_models("failed" if failed else "restarting", sentence)
        self._set_status(status if failed else replace(status, detail=f"{sentence} It starts again."))
        self._restart = asyncio.get_running_loop().call_later(delay, self._spawn)

    def _without_models(self, state: WorkerState, sentence: str) -> WorkerStatus:
        """The status of this device while no process serves it."""
        return WorkerStatus(
            state,
            self._status.device,
            sentence,
            left_out=self._blame.left_out,
            device_type=self._status.device_type,
            hooks=self._status.hooks,
            blamed=self._blame.names,
        )

    def _set_status(self, status: WorkerStatus) -> None:
        before, self._status = self._status, status
        news, self._news = self._news, asyncio.Event()
        news.set()
        if status.state != before.state:
            self._changed()
