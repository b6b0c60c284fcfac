"""What an executor is, and the controls by which a running job is told to stop, skip or show previews."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, NamedTuple, Protocol, runtime_checkable

from webui.core.errors import WorkerProblem
from webui.core.events import Output
from webui.core.job import Job
from webui.core.model_memory import HeldModel, LastLoad, Unloaded
from webui.plugins.meter import HookTime


class Verb(StrEnum):
    """What a running job can be told."""

    INTERRUPT = "interrupt"
    """Finish the current picture, then end."""
    STOP_NOW = "stop_now"
    """End at this step, keep the picture as far as it got."""
    SKIP = "skip"
    """End the current picture's batch at this step, go on with the next."""
    PREVIEWS_ON = "previews_on"
    PREVIEWS_OFF = "previews_off"


Listener = Callable[[Verb], None]


class Controls:
    """Carries verbs from the scheduler to the executor that runs the job. What is said before it listens is kept."""

    def __init__(self) -> None:
        self._listener: Listener | None = None
        self._unheard: list[Verb] = []
        self._previews = False

    def interrupt(self) -> None:
        """Finish the current picture, then end."""
        self._say(Verb.INTERRUPT)

    def stop_now(self) -> None:
        """End at this step and keep the picture as far as it got."""
        self._say(Verb.STOP_NOW)

    def skip(self) -> None:
        """End the current batch at this step and go on with the next."""
        self._say(Verb.SKIP)

    def previews(self, wanted: bool) -> None:
        """Whether previews shall be made; says nothing when that is no news."""
        if wanted != self._previews:
            self._previews = wanted
            self._say(Verb.PREVIEWS_ON if wanted else Verb.PREVIEWS_OFF)

    def listen(self, listener: Listener) -> None:
        """Call `listener` with every verb from now on, first with those that nobody has heard."""
        self._listener = listener
        unheard, self._unheard = self._unheard, []
        for verb in unheard:
            listener(verb)

    def _say(self, verb: Verb) -> None:
        if self._listener is None:
            self._unheard.append(verb)
        else:
            self._listener(verb)


class WorkerDied(Exception):
    """The process that ran the job is gone.

    `ran`: the job's lanes were running. `taken`: the worker had at least begun with it. `detail`: a sentence.
    """

    def __init__(self, ran: bool, taken: bool = True, detail: str = "The worker stopped.") -> None:
        super().__init__(detail)
        self.ran = ran
        self.taken = taken or ran
        self.detail = detail


class NoWorker(WorkerProblem):
    """This executor has no worker and does not expect one soon."""


WorkerState = Literal["ready", "starting", "restarting", "failed"]


class LeftOut(NamedTuple):
    """An extension that a worker could not load: why, as a sentence, and the error's last frames."""

    extension: str
    problem: str
    trace: str = ""


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """How the worker is. `device` is its name once known; `detail` a sentence; memory is the device's, in bytes.

    `models`: the checkpoints in its memory. `last_load`: the last of them that was loaded, and how long it took.
    `left_out`: the extensions that it could not load. `besides`: RAM of its process that no model is, in bytes.
    `device_type`: as torch calls the kind of device ("cuda"), once known. `hooks`: what extensions' hooks have cost
    there. `blamed`: extensions inside of which its processes died too often in a row; they are among `left_out`.
    """

    state: WorkerState
    device: str = ""
    detail: str = ""
    free: int | None = None
    total: int | None = None
    models: tuple[HeldModel, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    last_load: LastLoad | None = None
    besides: int | None = None
    device_type: str = ""
    hooks: tuple[HookTime, ...] = ()
    blamed: tuple[str, ...] = ()

    def holds(self, name: str) -> bool:
        """Whether the checkpoint of this name is in its memory."""
        return any(model.name == name for model in self.models)


class Executor(Protocol):
    """Runs jobs on one worker. All methods belong to the event loop's thread."""

    @property
    def workplace(self) -> str:
        """Of which place it takes the jobs; see core/job_request.py."""
        ...

    async def start(self) -> None:
        """Begin to get ready; returns without waiting for it."""
        ...

    async def close(self) -> None:
        """Stop in order; running jobs were closed before."""
        ...

    def run(self, job: Job, controls: Controls, done: frozenset[int]) -> AsyncGenerator[Output, None]:
        """The job's outputs, ending with exactly one Finished or Failed; closing the generator abandons the job.

        Pictures whose index is in `done` are not yielded again. A job may be run before the worker is ready.
        Raises WorkerDied, and NoWorker while the worker's state is "failed".
        """
        ...

    def status(self) -> WorkerStatus:
        """How the worker is."""
        ...

    async def unload(self) -> Unloaded:
        """Drop the models that no job uses; those in use stay. A job that needs one later loads it again by itself.

        Says that nothing was dropped where there is no worker now.
        """
        ...

    def renew(self, disabled: Sequence[str]) -> None:
        """Put a fresh process in the worker's place once it has no job; it takes none before. Returns at once.

        disabled: the extensions that it leaves out; others are tried again, also where processes have died inside them.
        """
        ...

    def room(self) -> int:
        """How many jobs may run at once, those that run included."""
        ...

    def watch(self, changed: Callable[[], None]) -> None:
        """Have `changed` called whenever the worker's state becomes another one."""
        ...


@runtime_checkable
class SaysWhatIsLeftOut(Protocol):
    """An executor whose workers write into the log which extensions they leave out."""

    def know(self, told: Callable[[], Sequence[tuple[str, str]]]) -> None:
        """Have workers not say again what this process has said: told() answers as EngineConfig.told."""
        ...
