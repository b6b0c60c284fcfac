"""Long actions in a thread of their own, one at a time, each of which can be looked at and stopped meanwhile."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from webui.core.errors import Conflict, DarkroomError, NotFound, Problem
from webui.extension_life.task import Task

log = logging.getLogger(__name__)

_KEPT = 20
_CLOSE_SECONDS = 5.0

State = Literal["running", "done", "failed"]


@dataclass(slots=True)
class Work:
    """One action. what: its kind. about: the extension or the source. words: what is being done. result: JSON-ready."""

    id: str
    what: str
    about: str
    task: Task
    state: State = "running"
    words: str = ""
    started: float = 0.0
    ended: float | None = None
    result: Any = None
    problem: Problem | None = None
    thread: threading.Thread = field(default_factory=threading.Thread)

    def to_json(self) -> dict[str, Any]:
        """The action as JSON-ready data."""
        return {
            "id": self.id,
            "what": self.what,
            "about": self.about,
            "state": self.state,
            "words": self.words,
            "started": self.started,
            "ended": self.ended,
            "result": self.result,
            "problem": self.problem.to_json() if self.problem else None,
        }


class Works:
    """The actions of this run of the program; the last twenty are kept."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._works: dict[str, Work] = {}

    def start(self, what: str, about: str, do: Callable[[Task], Any]) -> Work:
        """Start an action; `do` returns its result. Raises Conflict while another runs."""
        with self._lock:
            running = self._running()
            if running is not None:
                raise Conflict(
                    "Another action on extensions runs already.", remedies=("Wait for it", "Stop it, then try again")
                )
            work = Work(secrets.token_hex(8), what, about[:200], Task(), started=time.time())
            work.task.say = lambda words: setattr(work, "words", words)
            self._works[work.id] = work
            for old in list(self._works)[:-_KEPT]:
                del self._works[old]
            work.thread = threading.Thread(target=self._run, args=(work, do), name=f"extensions: {what}", daemon=True)
            work.thread.start()
        return work

    def get(self, work_id: str) -> Work:
        """The action of this id; raises NotFound."""
        found = self._works.get(work_id)
        if found is None:
            raise NotFound("There is no such action.")
        return found

    def stop(self, work_id: str) -> Work:
        """Have it end soon, with everything as it was before; one that has ended stays as it is. Raises NotFound."""
        work = self.get(work_id)
        work.task.stop()
        return work

    def running(self) -> Work | None:
        """The one that runs."""
        with self._lock:
            return self._running()

    def close(self) -> None:
        """Stop what runs, and wait a moment for it to take away what it has begun."""
        running = self.running()
        if running is not None:
            running.task.stop()
            running.thread.join(_CLOSE_SECONDS)

    def _running(self) -> Work | None:
        return next((work for work in self._works.values() if work.state == "running"), None)

    def _run(self, work: Work, do: Callable[[Task], Any]) -> None:
        state: State = "failed"
        try:
            work.result = do(work.task)
            state = "done"
        except DarkroomError as error:
            work.problem = error.problem()
        except Exception:
            report = secrets.token_hex(4)
            log.exception("Report %s: the action '%s' of %s failed", report, work.what, work.about)
            work.problem = DarkroomError(
                f"Darkroom made a mistake here. Its log has it under report {report}."
            ).problem()
        work.ended = time.time()
        # Last: whoever sees that it has ended sees how.
        work.state = state
