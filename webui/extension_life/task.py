"""A long action as its doer sees it: say what is being done, and ask whether to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable

from webui.core.errors import DarkroomError


class Stopped(DarkroomError):
    """A person has stopped the action; everything is as it was before."""

    type = "stopped"
    title = "Stopped"
    status = 409


class Task:
    """One action. `say` is called with what is being done, in a few words, from the thread that does it."""

    def __init__(self, say: Callable[[str], None] = lambda words: None) -> None:
        self.say = say
        self._stop = threading.Event()

    def stop(self) -> None:
        """Have the action end soon; may be called from any thread."""
        self._stop.set()

    @property
    def stopped(self) -> bool:
        """Whether the action is to end."""
        return self._stop.is_set()

    def check(self) -> None:
        """Raises Stopped once the action is to end."""
        if self.stopped:
            raise Stopped("It was stopped. Nothing was changed.")
