"""How long a job will still take, from its own steps or, before it has any, from recent jobs like it."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable
from statistics import median

from webui.core.events import Progress, Step
from webui.core.job_request import JobRequest

_KEPT_KINDS = 64
_KEPT_STEPS = 16
_KEPT_SHARES, _SHARE_SECONDS = 60, 0.5


class History:
    """Seconds a step took lately, by kind of job (model, size, batch)."""

    def __init__(self) -> None:
        self._seconds: OrderedDict[Hashable, float] = OrderedDict()

    def recall(self, request: JobRequest) -> float | None:
        """Seconds a step of a job like this took, or None when there was none like it."""
        return self._seconds.get(request.alike)

    def note(self, request: JobRequest, seconds: float) -> None:
        """A job like this takes `seconds` a step."""
        self._seconds[request.alike] = seconds
        self._seconds.move_to_end(request.alike)
        if len(self._seconds) > _KEPT_KINDS:
            self._seconds.popitem(last=False)


class Estimate:
    """Follows one job's steps. Times are seconds of any steady clock."""

    def __init__(self, request: JobRequest, history: History) -> None:
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


class ShareEstimate:
    """Follows one work's share. Times are seconds of any steady clock."""

    def __init__(self) -> None:
        self._past: deque[tuple[float, float]] = deque(maxlen=_KEPT_SHARES)
        self._words = ""

    def seconds_left(self, progress: Progress, now: float) -> float | None:
        """Seconds until all is done, at the pace of the last while; None while nothing is known."""
        # What is being done has changed, or it begins again: the pace is another.
        if progress.words != self._words or (self._past and progress.fraction < self._past[-1][1]):
            self._past.clear()
            self._words = progress.words
        if not self._past or now - self._past[-1][0] >= _SHARE_SECONDS:
            self._past.append((now, progress.fraction))
        begun, share = self._past[0]
        if now - begun < _SHARE_SECONDS or progress.fraction <= share:
            return None
        return (1.0 - progress.fraction) * (now - begun) / (progress.fraction - share)
