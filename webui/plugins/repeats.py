"""Errors that come again and again: told whole the first time, then only how often, at growing distances."""

from __future__ import annotations

import threading
from collections.abc import Hashable

_GROWTH = 10
_MOST = 1000
"""So many kinds of errors are known at once: code that is made on the fly has a place of its own each time."""


class Repeats:
    """Counts the errors of one process; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, str, Hashable], int] = {}
        """By extension, hook and error; the one that came last is at the end."""

    def worth_telling(self, extension: str, hook: str, error: BaseException) -> int:
        """How often this error has come where that is the 1st, 10th, 100th, ... time; 0 for the times between.

        Errors of one type from one line of code are one, whatever they say: that may be another text each time.
        """
        key = extension, hook, (type(error).__qualname__, *_place(error))
        with self._lock:
            count = self._counts.pop(key, 0) + 1
            if len(self._counts) >= _MOST:
                del self._counts[next(iter(self._counts))]
            self._counts[key] = count
        step = 1
        while step < count:
            step *= _GROWTH
        return count if step == count else 0

    def forget(self, extension: str) -> None:
        """Its code is another from now on, and so are its errors, even those of a line that failed before."""
        with self._lock:
            for key in [key for key in self._counts if key[0] == extension]:
                del self._counts[key]


def _place(error: BaseException) -> tuple[str, int | None] | tuple[()]:
    """The file and line that raised it; walked by hand, as the library's way reads the source of every frame."""
    frame = error.__traceback__
    if frame is None:
        return ()
    while frame.tb_next is not None:
        frame = frame.tb_next
    return frame.tb_frame.f_code.co_filename, frame.tb_lineno
