"""How a computation on a thread of its own takes turns at the device with the loop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Literal


class Abandoned(Exception):
    """Raised in the computation's thread when nobody wants its result any more."""


class Turns:
    """One computation's side door to the loop: the device is its own from the start of a turn to its end.

    The computation's thread calls `take` before each forward pass and waits there until the loop calls `turn`; the loop
    then waits until the computation comes to the next `take`, or to `give`. So a turn is one forward pass, as it is for
    lanes, and the two threads never compute at one time, but for what happens off the loop's thread anyway: a text is
    encoded before the first turn and a picture decoded after the last.
    """

    def __init__(self, ask: Callable[[], None]) -> None:
        """ask: has the loop call `turn` some time; called by the computation's thread."""
        self._ask = ask
        self._changed = threading.Condition()
        self._state: Literal["away", "waiting", "holding"] = "away"
        self._free = False
        self._abandoned = False

    def take(self) -> None:
        """End the turn and wait for the next one. Raises Abandoned."""
        with self._changed:
            if not (self._free or self._abandoned):
                self._state = "waiting"
                # First, so that the loop knows of it before it goes on.
                self._ask()
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._state != "waiting")
            if self._abandoned:
                self._leave()
                raise Abandoned

    def give(self) -> None:
        """End the turn, if there is one."""
        with self._changed:
            self._leave()

    def turn(self) -> None:
        """Let the computation go on, and wait until its turn is over; called by the loop's thread."""
        with self._changed:
            if self._state == "waiting":
                self._state = "holding"
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._state != "holding")

    def free(self) -> None:
        """Let the computation run to its end without further turns, since it computes hardly anything any more."""
        with self._changed:
            self._free = True
            self._leave()

    def abandon(self) -> None:
        """Have the computation end with Abandoned where it takes its next turn."""
        with self._changed:
            self._abandoned = True
            self._leave()

    def _leave(self) -> None:
        self._state = "away"
        self._changed.notify_all()
