"""Jobs, a queue in a temporary folder, and a picture store, for all tests of the queue's house."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.jobs.helpers import MakeJob
from webui.core.job import Job, State
from webui.core.request import GenerationRequest
from webui.jobs.queue import Queue


@pytest.fixture
def make_job() -> MakeJob:
    """Makes waiting jobs; each comes a second after the one before."""
    numbers = itertools.count(1)

    def make(owner: str = "ann", id: str | None = None, **values: Any) -> Job:
        number = next(numbers)
        values = {"prompt": "a red circle", "seed": number, "steps": 4, "width": 64, "height": 64, **values}
        request = GenerationRequest.from_values(values)
        return Job(id or f"job{number}", owner, request, State.QUEUED, created=1000.0 + number, place=1000.0 + number)

    return make


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    """An empty queue."""
    queue = Queue(tmp_path / "data" / "darkroom.sqlite3")
    yield queue
    queue.close()
