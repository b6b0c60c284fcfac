"""A thread that looks at who is at it: a call that goes on for long is named in the log, one without end is told."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from webui.plugins.meter import LOOP_HOOKS, Meter, Underway, patience

log = logging.getLogger(__name__)

ENDLESS_SECONDS = 120.0
"""So long everybody's steps wait for one call on the loop's thread before it counts as one without end."""
LONGEST_SECONDS = 600.0
"""The same for calls on the other threads, each of which all jobs need in the end: encoding, decoding, downloads."""
_LOOKS_SECONDS = 0.5


class Watch:
    """Looks at a meter's calls until it is closed."""

    def __init__(
        self,
        meter: Meter,
        endless: Callable[[str], None] = lambda sentence: None,
        limit: float = ENDLESS_SECONDS,
        longest: float = LONGEST_SECONDS,
    ) -> None:
        """endless: told once of each call that takes longer than `limit` seconds on the loop's thread, or than
        `longest` on another.
        """
        self._meter, self._endless, self._limit, self._longest = meter, endless, limit, longest
        self._said: dict[Underway, float] = {}
        self._told: set[Underway] = set()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._look, name="hooks", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop looking."""
        self._closed.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._closed.wait(_LOOKS_SECONDS):
            now, calls = self._meter.clock(), self._meter.underway
            self._said = {call: due for call, due in self._said.items() if call in calls}
            self._told.intersection_update(calls)
            for call in calls:
                self._judge(call, now - call.since)

    def _judge(self, call: Underway, seconds: float) -> None:
        due = self._said.get(call, patience(call.hook))
        if seconds > due:
            log.warning("The extension '%s' has been in %s for %.0f s.", call.extension, call.hook, seconds)
            self._said[call] = 2 * seconds
        limit = self._limit if call.hook in LOOP_HOOKS else self._longest
        if seconds > limit and call not in self._told:
            self._told.add(call)
            self._endless(f"The extension '{call.extension}' has not come back from {call.hook} for {seconds:.0f} s.")
