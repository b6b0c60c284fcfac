"""When a worker has had no job for so long that its models are to leave its memory. Torch-free, and nothing waits."""

from __future__ import annotations

import math
from collections.abc import Iterable

from webui.jobs.fleet import Worker


def due(workers: Iterable[Worker], seconds: float, now: float) -> list[Worker]:
    """The workers that are idle for `seconds`; each is named once for each time that it is idle. 0: never any."""
    found = [worker for worker in workers if seconds and _left(worker, seconds, now) <= 0]
    for worker in found:
        worker.rested = True
    return found


def patience(workers: Iterable[Worker], seconds: float, now: float) -> float | None:
    """Seconds until the next of them is due; None when none will be before it has had another job or start."""
    wait = min((_left(worker, seconds, now) for worker in workers if seconds), default=math.inf)
    return None if wait == math.inf else max(0.0, wait)


def _left(worker: Worker, seconds: float, now: float) -> float:
    busy = worker.rested or worker.jobs or worker.status.state != "ready"
    return math.inf if busy else worker.idle_since + seconds - now
