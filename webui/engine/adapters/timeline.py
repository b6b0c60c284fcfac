"""Which adapters are merged into a denoiser in which steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from webui.engine.adapters.fitting import PLAIN, AdapterSet


@dataclass(frozen=True, slots=True)
class AdapterTimeline:
    """Sets over the steps: each entry holds for steps before its share of them (0 to 1), the last for all others."""

    entries: tuple[tuple[float, AdapterSet], ...] = ((1.0, PLAIN),)

    def at(self, share: float) -> AdapterSet:
        """The set of a step. share: its number from 0, divided by how many there are."""
        for until, adapters in self.entries[:-1]:
            if share < until:
                return adapters
        return self.entries[-1][1]


MOST_BORDERS = 20
"""So many times what is merged into a denoiser may change while a picture is made."""

WITHOUT = AdapterTimeline()
"""No adapters in any step."""


def bounded(spans: Sequence[tuple[float, float]]) -> tuple[list[tuple[float, float]], int]:
    """(the spans, all steps in place of those that would make too many borders; how many those are)."""
    known: set[float] = set()
    made, left = [], 0
    for start, stop in spans:
        # What ends before it begins counts in no step.
        span = (start, stop) if start < stop else (1.0, 1.0)
        more = known | {place for place in span if 0.0 < place < 1.0}
        if len(more) > MOST_BORDERS:
            left += 1
            made.append((0.0, 1.0))
        else:
            known = more
            made.append(span)
    return made, left


def borders(spans: Sequence[tuple[float, float]]) -> list[float]:
    """Where something changes of what holds from and to these shares of the steps: ends of pieces, the last is 1."""
    return sorted({place for span in spans for place in span if 0.0 < place < 1.0} | {1.0})
