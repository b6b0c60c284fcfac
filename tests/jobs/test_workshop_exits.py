"""A work whose code asks to exit fails by itself; the thread that works goes on with the next one."""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import Any

from webui.core.events import Failed
from webui.core.model_work import Prune
from webui.jobs.executors.messages import Submit
from webui.jobs.executors.workshop import WorkshopConfig
from webui.jobs.executors.workshop_worker import _Bench


class Leaving:
    """A table of works that ask to exit."""

    class works:
        """Every work."""

        @staticmethod
        def get(name: str) -> Any:
            """No row at all."""
            raise SystemExit(f"{name} is enough")


class Heard:
    """A link that keeps what is said."""

    def __init__(self) -> None:
        self.outputs: list[tuple[str, Any]] = []

    def output(self, job_id: str, output: Any) -> None:
        """An output of a job."""
        self.outputs.append((job_id, output))


def test_a_work_that_asks_to_exit_fails_and_the_next_is_taken_up() -> None:
    link, works = Heard(), SimpleQueue[Submit | None]()
    bench: Any = _Bench(link, WorkshopConfig(), Leaving(), (), set(), threading.Event())  # type: ignore[arg-type]
    for job_id in ("a", "b"):
        works.put(Submit(job_id, Prune(checkpoint="one").to_json(), frozenset(), alone=True, again=False, task="prune"))
    works.put(None)
    bench.work(works)
    assert [job_id for job_id, _ in link.outputs] == ["a", "b"]
    assert all(isinstance(output, Failed) and "SystemExit" in output.problem.detail for _, output in link.outputs)
