"""Adapter sets that take turns in one network: each holds it for a slice of time, so that exchanging them costs little.

Two jobs over one checkpoint with different sets would otherwise exchange all their weights at every step.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Hashable
from dataclasses import dataclass

from torch import nn

from webui.engine.adapters.fitting import Shares
from webui.engine.adapters.merging import Merging

SLICE_SECONDS = 1.0
"""A set holds a network at least so long while others wait for it."""

TIMES_THE_EXCHANGE = 10.0
"""And at least so many times as long as it took to merge it, so that exchanging is a tenth of the work at most."""


@dataclass
class _Held:
    network: nn.Module
    until: float


class Slices:
    """What is merged into which network, and for how long. Used by the loop's thread only."""

    def __init__(self, merging: Merging) -> None:
        self._merging = merging
        self._held: dict[int, _Held] = {}

    def waiting(self, network: nn.Module, key: Hashable, wanted: Collection[tuple[int, Hashable]]) -> bool:
        """Whether this set must wait for the network, which another one holds.

        wanted: (id of a network, key of a set) of all that is to be computed.
        """
        current, held = self._merging.key_of(network), self._held.get(id(network))
        if key == current or held is None or (id(network), current) not in wanted:
            return False
        return time.perf_counter() < held.until

    def hold(self, network: nn.Module, shares: Shares | None) -> None:
        """Have this set in the network, and nothing else. Raises ModelProblem, and then nothing is merged."""
        took = self._merging.hold(network, shares)
        if took:
            until = time.perf_counter() + max(SLICE_SECONDS, TIMES_THE_EXCHANGE * took)
            self._held[id(network)] = _Held(network, until)

    def put_back(self, used: Collection[int]) -> None:
        """Have nothing merged into networks that nobody computes with any more. used: the ids of all others."""
        for number in [number for number in self._held if number not in used]:
            self._merging.hold(self._held.pop(number).network, None)
