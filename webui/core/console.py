"""What is printed, within bounds: so many lines in a while, and none without end."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable
from typing import TextIO

LINES = 200
"""So many lines are taken in each SECONDS; what is more is counted only."""
SECONDS = 10.0
LONGEST_LINE = 2000


class Allowance:
    """How many lines may be taken in a while; counts those that may not."""

    def __init__(self, lines: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._lines, self._seconds, self._clock = lines, seconds, clock
        self._taken, self._since = 0, clock()

    def renewed(self) -> int:
        """When the while is over: how many lines were left out in it; a new one begins. Else 0."""
        now = self._clock()
        if now - self._since < self._seconds:
            return 0
        unsaid, self._taken, self._since = max(0, self._taken - self._lines), 0, now
        return unsaid

    def take(self) -> bool:
        """Whether one more may be taken."""
        self._taken += 1
        return self._taken <= self._lines


class Bounded(io.TextIOBase):
    """A text stream that hands on what is written to another, within an allowance; lines are cut where they are long.

    What is left out is said once the while is over. Safe to use from several threads.
    """

    def __init__(self, stream: TextIO, allowance: Allowance | None = None) -> None:
        self.stream = stream
        self._allowance = allowance or Allowance(LINES, SECONDS)
        self._lock = threading.Lock()
        self._begun, self._heard, self._room = False, False, 0
        """Whether a line has begun, whether it is handed on, and how many characters it may still have."""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """That of the stream."""
        return self.stream.encoding

    def writable(self) -> bool:
        """Yes."""
        return True

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        return self.stream.isatty()

    def fileno(self) -> int:
        """That of the stream."""
        return self.stream.fileno()

    def flush(self) -> None:
        """Flush the stream."""
        self.stream.flush()

    def write(self, text: str) -> int:
        """Hand on what there is room for. All of it counts as written."""
        with self._lock:
            for piece in text.splitlines(keepends=True):
                self._put(piece)
        return len(text)

    def _put(self, piece: str) -> None:
        if not self._begun:
            if unsaid := self._allowance.renewed():
                self.stream.write(f"({unsaid:,} lines were left out)\n")
            self._begun, self._heard, self._room = True, self._allowance.take(), LONGEST_LINE
        words, ends = piece.rstrip("\n"), piece.endswith("\n")
        if self._heard:
            self.stream.write(words[: self._room] + "\n" * ends)
            self._room = max(0, self._room - len(words))
        self._begun = not ends
