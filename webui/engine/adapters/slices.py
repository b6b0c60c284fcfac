"""Adapter sets that take turns in one network: each holds it for a slice of time, so that exchanging them costs little.

Two jobs over one checkpoint with different sets would otherwise exchange all their weights at every step.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass

import torch
from torch import nn

from webui.core.errors import OutOfMemory
from webui.engine.adapters.fitting import Shares
from webui.engine.adapters.merging import Merging
from webui.engine.device import ran_short
from webui.engine.memory.ladder import Shape, kind_of
from webui.engine.memory.rungs import Relief, evicting, freeing, ways_out

log = logging.getLogger(__name__)

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

    def __init__(self, merging: Merging, relief: Relief) -> None:
        """relief: what is done when memory runs out while a set is merged."""
        self._merging, self._relief = merging, relief
        self._held: dict[int, _Held] = {}

    def waiting(self, network: nn.Module, key: Hashable, wanted: Collection[tuple[int, Hashable]]) -> bool:
        """Whether this set must wait for the network, which another one holds.

        wanted: (id of a network, key of a set) of all that is to be computed.
        """
        current, held = self._merging.key_of(network), self._held.get(id(network))
        if key == current or held is None or (id(network), current) not in wanted:
            return False
        return time.perf_counter() < held.until

    def hold(
        self, network: nn.Module, shares: Shares | None, device: torch.device, tell: Callable[[str], None]
    ) -> None:
        """Have this set in the network, and nothing else. device: where it computes. tell: hears how room was made.

        Raises ModelProblem, and OutOfMemory where no room can be made; see `Merged.switch`.
        """
        if self._merging.key_of(network) == (shares.key if shares else ()):
            return
        # Before it is merged: what fails halfway is to be put back too.
        self._held.setdefault(id(network), _Held(network, 0.0))
        took = self._relief.ladder.run(
            Shape("load", f"{kind_of(network)}, LoRAs"),
            (freeing(device), evicting(self._relief.evict)),
            lambda: self._merging.hold(network, shares),
            tell,
            lambda: OutOfMemory(
                "There is not enough memory for the LoRAs beside the model.",
                field="prompt",
                remedies=ways_out(device, "Name fewer LoRAs", "Lower the size"),
            ),
        )
        if took:
            until = time.perf_counter() + max(SLICE_SECONDS, TIMES_THE_EXCHANGE * took)
            self._held[id(network)] = _Held(network, until)

    def put_back(self, used: Collection[int]) -> None:
        """Have nothing merged into networks that nobody computes with any more. used: the ids of all others.

        Where memory runs out it is tried again at the next call, and before anything computes with the network.
        """
        for number in [number for number in self._held if number not in used]:
            try:
                self._merging.hold(self._held[number].network, None)
            except Exception as error:
                if not ran_short(error):
                    raise
                log.warning("Out of memory while LoRAs were taken out of a model; it is tried again.")
            else:
                del self._held[number]
