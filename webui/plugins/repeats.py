"""Errors that come again and again: told whole the first time, then only how often, at growing distances."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Hashable

_GROWTH = 10


class Repeats:
    """Counts the errors of one process; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[Hashable, int] = {}

    def worth_telling(self, of: Hashable, error: BaseException) -> int:
        """How often this error has come where that is the 1st, 10th, 100th, ... time; 0 for the times between.

        of: whose it is. Errors of one type from one line of code are one, whatever they say: that may be another text
        each time.
        """
        frames = traceback.extract_tb(error.__traceback__)
        place = (frames[-1].filename, frames[-1].lineno) if frames else ()
        key = of, type(error).__qualname__, place
        with self._lock:
            count = self._counts[key] = self._counts.get(key, 0) + 1
        step = 1
        while step < count:
            step *= _GROWTH
        return count if step == count else 0
