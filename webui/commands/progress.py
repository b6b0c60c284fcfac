"""A job's events for a person: a bar on stderr, or lines where nobody watches a terminal."""

from __future__ import annotations

import shutil
from typing import TextIO

from webui.core.events import Event, Failed, Finished, Loading, Note, Queued, Step

_BAR = 24


class Progress:
    """Draws the state of one job. A bar is redrawn in place; without a terminal only notes are written."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._live = stream.isatty()
        self._drawn = 0

    def show(self, event: Event) -> None:
        """Draw what the event says."""
        match event:
            case Queued(position, reason):
                place = f"{position} {'job' if position == 1 else 'jobs'} before it" if position else "next in the line"
                self._draw(f"Waiting: {place}{f' ({reason})' if reason else ''}")
            case Loading(what):
                self._draw(what)
            case Step():
                self._draw(_bar(event))
            case Note(text):
                self.line(text)
            case Finished() | Failed():
                self.clear()

    def clear(self) -> None:
        """Take the bar away, so that something else can be written."""
        self._draw("")

    def line(self, text: str) -> None:
        """A line that stays."""
        self.clear()
        self._stream.write(text + "\n")
        self._stream.flush()

    def _draw(self, text: str) -> None:
        if not self._live:
            return
        width = shutil.get_terminal_size().columns - 1
        shown = text[:width]
        self._stream.write("\r" + shown.ljust(self._drawn) + ("\r" if not shown else ""))
        self._stream.flush()
        self._drawn = len(shown)


def _bar(step: Step) -> str:
    filled = round(step.fraction * _BAR)
    batch = f", batch {step.batch} of {step.batches}" if step.batches > 1 else ""
    left = f", {_seconds(step.seconds_left)} left" if step.seconds_left is not None else ""
    return f"[{'#' * filled}{'-' * (_BAR - filled)}] step {step.step} of {step.steps}{batch}{left}"


def _seconds(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole} s" if whole < 90 else f"{whole // 60} min {whole % 60} s"
