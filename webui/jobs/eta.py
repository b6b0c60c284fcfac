"""How long a job will still take, from its own steps or, before it has any, from recent jobs like it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from statistics import median

from webui.core.events import Step
from webui.core.request import GenerationRequest

_KEPT_KINDS = 64
_KEPT_STEPS = 16


class History:
    """Seconds a step took lately, by kind of job (model, size, batch)."""

    def __init__(self) -> None:
        self._seconds: OrderedDict[Hashable, float] = OrderedDict()

    def recall(self, request: GenerationRequest) -> float | None:
        """Seconds a step of a job like this took, or None when there was none like it."""
        return self._seconds.get(_kind(request))

    def note(self, request: GenerationRequest, seconds: float) -> None:
        """A job like this takes `seconds` a step."""
        self._seconds[_kind(request)] = seconds
        self._seconds.move_to_end(_kind(request))
        if len(self._seconds) > _KEPT_KINDS:
            self._seconds.popitem(last=False)


class Estimate:
    """Follows one job's steps. Times are seconds of any steady clock."""

    def __init__(self, request: GenerationRequest, history: History) -> None:
        self._request = request
        self._history = history
        self._last: tuple[float, Step] | None = None
        self._seconds: list[float] = []

    def seconds_left(self, step: Step, now: float, *, ending: bool = False) -> float | None:
        """Seconds until the job's last step, as `step` has just been done; None while nothing is known.

        ending: the job was interrupted, so that only the current batch is left.
        """
        if self._last is not None:
            before, last = self._last
            if last.batch == step.batch and step.step > last.step:
                self._seconds.append((now - before) / (step.step - last.step))
                del self._seconds[:-_KEPT_STEPS]
                self._history.note(self._request, median(self._seconds))
        self._last = (now, step)
        pace = median(self._seconds) if self._seconds else self._history.recall(self._request)
        if pace is None:
            return None
        batches = 0 if ending else step.batches - step.batch
        return pace * (batches * step.steps + step.steps - step.step)


def _kind(request: GenerationRequest) -> Hashable:
    return (request.checkpoint_hash, request.sampler_name, request.width, request.height, request.batch_size)
