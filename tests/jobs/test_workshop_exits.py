"""A work whose code asks to exit fails by itself; the thread that works goes on with the next one."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from webui.core.events import Failed
from webui.core.model_work import Prune
from webui.engine.config import EngineConfig
from webui.jobs.executors import worker, workshop_worker
from webui.jobs.executors.messages import Broken, Submit
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
        self.reports: list[Any] = []

    marks = None

    def report(self, report: Any) -> None:
        """Any report."""
        self.reports.append(report)

    def status(self, status: Any) -> None:
        """It is ready."""

    def commands(self) -> Iterator[Any]:
        """Stop at once."""
        yield from ()

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


def test_a_call_without_end_ends_the_workshop_s_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "shop"
    home.mkdir()
    (home / "extension.toml").write_text('name = "shop"\nversion = "1.0"\napi = "1"\n')
    (home / "extension.py").write_text("")
    watched, codes, link = list[Callable[[str], None]](), list[int](), Heard()
    monkeypatch.setattr(workshop_worker, "Watch", lambda meter, endless: watched.append(endless))
    monkeypatch.setattr(os, "nice", lambda by: 0)
    monkeypatch.setattr(os, "_exit", codes.append)
    workshop_worker.main(link, WorkshopConfig(extension_folders=(tmp_path,)))  # type: ignore[arg-type]
    [endless] = watched
    endless("It has not come back.")
    assert codes == [4] and link.reports == [Broken("It has not come back.")]


def test_a_call_without_end_ends_a_worker_s_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "shop"
    home.mkdir()
    (home / "extension.toml").write_text('name = "shop"\nversion = "1.0"\napi = "1"\n')
    (home / "extension.py").write_text("")
    watched, codes, link = list[Callable[[str], None]](), list[int](), Heard()

    def no_engine(*given: Any, **named: Any) -> None:
        raise RuntimeError("far enough")

    monkeypatch.setattr(worker, "Watch", lambda meter, endless: watched.append(endless))
    monkeypatch.setattr(worker, "Engine", no_engine)
    monkeypatch.setattr(os, "_exit", codes.append)
    with pytest.raises(RuntimeError, match="far enough"):
        worker.main(link, EngineConfig(extension_folders=(tmp_path,)))  # type: ignore[arg-type]
    [endless] = watched
    endless("It has not come back.")
    assert codes == [4] and link.reports == [Broken("It has not come back.")]
