"""What the web process and a worker process say to each other, and its form on the wire. Torch-free."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import Any

from webui.core.errors import WorkerProblem
from webui.core.events import Failed, Output
from webui.core.model_memory import Unloaded
from webui.jobs.executors.base import Verb, WorkerStatus

MAX_BYTES = 512 * 1024 * 1024
"""Longest message that is sent or read."""


@dataclass(frozen=True, slots=True)
class Submit:
    """To the worker: begin with this job."""

    job_id: str
    request: Any
    """Of the kind that this worker takes."""
    done: frozenset[int]
    alone: bool
    again: bool = False
    """Whether it was begun before."""
    task: str = ""


@dataclass(frozen=True, slots=True)
class Tell:
    """To the worker: somebody pressed something."""

    job_id: str
    verb: Verb


@dataclass(frozen=True, slots=True)
class Cancel:
    """To the worker: drop this job and say nothing more of it."""

    job_id: str


@dataclass(frozen=True, slots=True)
class Stop:
    """To the worker: end in order."""


@dataclass(frozen=True, slots=True)
class Unload:
    """To the worker: drop the models that no job uses, and answer with `Gone` of this number."""

    number: int


Command = Submit | Tell | Cancel | Unload | Stop


@dataclass(frozen=True, slots=True)
class Said:
    """From the worker: an output of a job, pickled by itself so that a broken one is still known by its job."""

    job_id: str
    payload: bytes

    def output(self) -> Output:
        """The output; where it cannot be read, the job's failure."""
        try:
            output: Output = pickle.loads(self.payload)
        except Exception as error:  # noqa: BLE001 - unpickling runs code of any kind, and the sentence goes to the job
            return _unreadable(f"What the worker sent for this job cannot be read: {error}")
        return output


@dataclass(frozen=True, slots=True)
class Status:
    """From the worker: how it is; the first one says that it is ready."""

    status: WorkerStatus


@dataclass(frozen=True, slots=True)
class Gone:
    """From the worker: what became of its models."""

    number: int
    unloaded: Unloaded


@dataclass(frozen=True, slots=True)
class Log:
    """From the worker: a record of its log."""

    logger: str
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Broken:
    """From the worker, its last words: why it cannot go on. `known`: foreseen, and the same for its successor."""

    sentence: str
    known: bool = False


Report = Said | Status | Gone | Log | Broken


def said(job_id: str, output: Output) -> Said:
    """The message that carries an output; one that cannot be sent becomes the job's failure."""
    try:
        payload = pickle.dumps(output, pickle.HIGHEST_PROTOCOL)
    except Exception as error:  # noqa: BLE001 - as above
        return said(job_id, _unreadable(f"What the worker made for this job cannot be sent: {error}"))
    if len(payload) > MAX_BYTES - 1024:
        return said(job_id, _unreadable(f"The worker made {len(payload) // 10**6:,} MB at once for this job."))
    return Said(job_id, payload)


def encode(message: Command | Report) -> bytes:
    """The message's form on the wire."""
    return pickle.dumps(message, pickle.HIGHEST_PROTOCOL)


def decode(data: bytes) -> Any:
    """The message in these bytes. Both ends are this program on this machine, so unpickling is safe."""
    return pickle.loads(data)


def _unreadable(sentence: str) -> Failed:
    return Failed(WorkerProblem(sentence).problem())
