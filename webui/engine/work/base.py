"""What every work on models is given: where to tell how far it is, and whom to ask whether to go on. Torch-free."""

from __future__ import annotations

from collections.abc import Callable

from webui.core.errors import DarkroomError

Progress = Callable[[float, str], None]
"""Told the share that is done, 0 to 1, and in words what is being done."""

ShouldStop = Callable[[], bool]
"""Asked often; True ends the work, which then leaves nothing behind."""


class Stopped(DarkroomError):
    """The work was stopped by whoever may; nothing of it is left."""

    type = "stopped"
    title = "Stopped"
    status = 409


def is_sentence(words: str) -> bool:
    """Whether words are something that a person should know; what is being done ends without a point."""
    return words.endswith(".")


class Steps:
    """Counts what is done of a whole, tells it, and ends the work where that is wanted."""

    def __init__(self, total: float, words: str, progress: Progress, should_stop: ShouldStop) -> None:
        """total: in any unit, as bytes; 0 where it is not known, and then the share told is 0."""
        self.words = words
        self._total, self._done = total, 0.0
        self._progress, self._should_stop = progress, should_stop

    def advance(self, amount: float) -> None:
        """So much more is done. Raises Stopped."""
        self._done += amount
        self.check()
        self._progress(min(1.0, self._done / self._total) if self._total else 0.0, self.words)

    def check(self) -> None:
        """Raises Stopped when the work should end."""
        if self._should_stop():
            raise Stopped(f"It was stopped while {self.words[:1].lower()}{self.words[1:]}; nothing of it is left.")

    def say(self, words: str) -> None:
        """Tell something that a person should know, as far as it is."""
        self._progress(min(1.0, self._done / self._total) if self._total else 0.0, words)
