"""Counts pictures by day, sampler, model and size."""

from __future__ import annotations

import re
import time
from collections import Counter
from typing import Any

DAYS = 30
_MOST = 12
"""Of samplers, models and sizes the most frequent are told, and the rest as one."""
_DAY = 86_400.0


class Counts:
    """Adds pictures up; `now` is Unix seconds."""

    def __init__(self, now: float | None = None) -> None:
        self._today = _day_of(time.time() if now is None else now)
        self.pictures = 0
        self._days: Counter[int] = Counter()
        self._kinds: dict[str, Counter[str]] = {"sampler": Counter(), "model": Counter(), "size": Counter()}

    def add(self, created: float, infotext: str, width: int, height: int) -> None:
        """Count one picture, made at `created` (Unix seconds)."""
        self.pictures += 1
        self._days[_day_of(created)] += 1
        self._kinds["size"][f"{width} × {height}"] += 1
        # The last line has the parameters; a prompt may say anything.
        line = infotext.rstrip().rpartition("\n")[2]
        for kind, key in (("sampler", "Sampler"), ("model", "Model")):
            if found := re.search(rf"(?:^|, ){key}: ([^,]+)", line):
                self._kinds[kind][found[1].strip()] += 1

    def to_json(self) -> dict[str, Any]:
        """The last DAYS days, oldest first, as [date, pictures]; the other kinds as [name, pictures], most first."""
        days = range(self._today - DAYS + 1, self._today + 1)
        return {
            "pictures": self.pictures,
            "days": [[time.strftime("%Y-%m-%d", time.gmtime(day * _DAY)), self._days[day]] for day in days],
            **{kind: _largest(counter) for kind, counter in self._kinds.items()},
        }


def _largest(counter: Counter[str]) -> list[list[str | int]]:
    named = counter.most_common(_MOST)
    rest = counter.total() - sum(number for _, number in named)
    return [[name, number] for name, number in [*named, *([("others", rest)] if rest else [])]]


def _day_of(seconds: float) -> int:
    """Days since 1970 where this machine is: a day ends at its own midnight."""
    return int((seconds + time.localtime(seconds).tm_gmtoff) // _DAY)
