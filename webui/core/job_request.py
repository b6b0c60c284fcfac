"""What every job's request is asked for, whatever it makes, and how a stored one is read again by its task."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any, Final, Protocol

from webui.core.errors import InvalidField, Problem
from webui.core.model_work import WORKSHOP, ModelWork
from webui.core.request import DEVICE, GenerationRequest
from webui.core.script_request import SCRIPTS, TASK, ScriptRequest

WORKPLACES: Final = (DEVICE, WORKSHOP, SCRIPTS)
"""Where jobs are done: on a device by the engine, in the workshop, where files of models are worked on, or in the web
process, where scripts have others do it.
"""


class JobRequest(Protocol):
    """What the queue, the scheduler, the API and the page need to know of a request."""

    @property
    def workplace(self) -> str:
        """One of WORKPLACES: only executors of that place are given the job."""
        ...

    @property
    def pictures(self) -> int:
        """How many pictures it makes; 0 where its result is something else."""
        ...

    @property
    def models(self) -> tuple[str, ...]:
        """Titles of the checkpoints that should be in a worker's memory for it."""
        ...

    @property
    def alone(self) -> bool:
        """Whether it shares its worker with no other job."""
        ...

    @property
    def summary(self) -> str:
        """What it is about, in a line for people."""
        ...

    @property
    def alike(self) -> Hashable:
        """Equal for jobs that take about as long for each step."""
        ...

    @property
    def lighter(self) -> tuple[str, ...]:
        """What a person can do when it was too much for the machine."""
        ...

    def seed_of(self, index: int) -> int:
        """The seed of picture `index` (from 0)."""
        ...

    def to_json(self) -> dict[str, Any]:
        """JSON-ready data, from which the same request is read again."""
        ...

    def dumps(self) -> str:
        """The JSON text."""
        ...


class RequestKinds:
    """The types of requests by the tasks of jobs. What is no work on models makes pictures."""

    def __init__(self, works: Mapping[str, type[ModelWork]] | None = None) -> None:
        self._works = dict(works or {})

    def read(self, task: str, data: Any) -> JobRequest:
        """The request that `to_json` described. Raises InvalidField."""
        if task == TASK:
            return ScriptRequest.from_json(data)
        kind = self._works.get(task)
        return GenerationRequest.from_json(data) if kind is None else kind.from_json(data)

    def unreadable(self, task: str, data: Any, reason: str) -> tuple[JobRequest, Problem]:
        """What stands for a request that cannot be read, so that it can be listed; and the sentence about it."""
        prompt = data.get("prompt") if isinstance(data, dict) else None
        problem = InvalidField(
            f"This version of Darkroom cannot read the stored request: {reason}",
            remedies=("Submit it again", "Update Darkroom"),
        ).problem()
        if task in self._works:
            return self._works[task](), problem
        plain = GenerationRequest(prompt=prompt if isinstance(prompt, str) else "")
        return (ScriptRequest("", plain) if task == TASK else plain), problem

    def tasks(self, workplace: str) -> Iterable[str]:
        """The tasks that are known to be done at a workplace; at DEVICE all others are done."""
        return tuple(self._works) if workplace == WORKSHOP else ()
