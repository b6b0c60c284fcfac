"""A group of lanes that share forward passes, and the rows of one pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from webui.engine.adapters.beside import Beside
from webui.engine.adapters.fitting import PLAIN, AdapterSet, Shares
from webui.engine.attention.shortcuts import Shortcuts
from webui.engine.families.base import Conditioning, LoadedModel
from webui.engine.hooks import Patches
from webui.engine.lanes import GroupKey, Lane
from webui.engine.memory.ladder import Climb, Rung
from webui.engine.memory.rungs import ATTENTION, CHEAP_ATTENTION, HALVE, Evict, evicting, freeing


@dataclass(frozen=True, slots=True)
class Rows:
    """What one forward pass is to answer, an entry of each for each row: x (rows, channels, height/8, width/8)."""

    x: Tensor
    sigmas: Sequence[float]
    conditionings: list[Conditioning]
    shares: Sequence[Shares | None]
    """The adapters that are computed beside the network; None for rows without."""

    @classmethod
    def of(cls, lanes: Sequence[Lane]) -> Rows:
        """Those of the open asks of these lanes, one lane's behind the other's."""
        return cls(
            torch.cat([part for lane in lanes for part in lane.inputs()]),
            [lane.ask.sigma for lane in lanes for _ in range(lane.rows)],
            [one for lane in lanes for one in lane.conditionings()],
            [lane.adapters.denoiser for lane in lanes for _ in range(lane.rows)],
        )

    def __len__(self) -> int:
        return len(self.sigmas)

    def halves(self) -> Iterator[Rows]:
        """Both halves."""
        half = len(self) // 2
        for part in (slice(half), slice(half, None)):
            yield Rows(self.x[part], self.sigmas[part], self.conditionings[part], self.shares[part])


@dataclass
class Thrift:
    """How sparingly a group computes. Apart from the group, whose model would otherwise be kept, in a circle, by what
    may be done when memory runs out.
    """

    attention: str
    limit: int
    """Rows of a forward pass at most."""
    tried: int = 0
    """Rows of the forward pass that was made last, or that failed."""

    def rungs(self, evict: Evict, device: torch.device) -> tuple[Rung, ...]:
        """What may be done when forward passes on this device run out of memory, in order."""
        return (
            freeing(device),
            evicting(evict),
            Rung(
                HALVE,
                "Memory is short, so fewer pictures are computed at once; each is the same as before.",
                self._halve,
                self._begin_with,
            ),
            Rung(
                ATTENTION,
                f"Memory is short, so attention is computed by {CHEAP_ATTENTION}.",
                self._cheapen,
                lambda _: bool(self._cheapen()),
            ),
        )

    def _halve(self) -> int:
        if self.tried < 2:
            return 0
        self.limit = self.tried // 2
        return self.limit

    def _begin_with(self, limit: int) -> bool:
        self.limit = min(self.limit, limit)
        return True

    def _cheapen(self) -> int:
        if self.attention == CHEAP_ATTENTION:
            return 0
        self.attention = CHEAP_ATTENTION
        return 1


@dataclass
class Group:
    """Lanes that may share forward passes, and what they have cost together (seconds)."""

    key: GroupKey
    model: LoadedModel
    thrift: Thrift
    shortcuts: Shortcuts
    spent: float
    patches: Patches | None = None
    """How extensions change the model for its forward passes."""
    adapters: AdapterSet = PLAIN
    """What is merged into the network for its forward passes."""
    beside: Beside | None = None
    """Where each row's adapters are computed beside the network instead."""
    lanes: list[Lane] = field(default_factory=list)
    calm: int = 0
    stacked: tuple[list[Conditioning], Any] | None = None
    climb: Climb = field(init=False)

    @property
    def device(self) -> torch.device:
        """Where its forward passes are made."""
        return self.model.device

    def next_lanes(self) -> list[Lane]:
        """Those to be answered next: all when their rows fit, else an even share, and those take turns."""
        total = sum(lane.rows for lane in self.lanes)
        limit = self.thrift.limit
        if total <= limit:
            return list(self.lanes)
        share = -(-total // -(-total // limit))
        chosen: list[Lane] = []
        rows = 0
        for lane in self.lanes:
            if chosen and rows + lane.rows > share:
                break
            chosen.append(lane)
            rows += lane.rows
        self.lanes = self.lanes[len(chosen) :] + chosen
        return chosen

    def predict(self, rows: Rows) -> Tensor:
        """One forward pass, with the model as extensions want it for these lanes, and with each row's adapters."""
        with ExitStack() as stack:
            if self.patches is not None:
                stack.enter_context(self.patches.applied(self.model))
            if self.beside is not None:
                stack.enter_context(self.beside.rows(rows.shares))
            return self.model.predict(rows.x, rows.sigmas, self._context(rows.conditionings))

    def _context(self, conditionings: list[Conditioning]) -> Any:
        """The stacked conditionings; made again only when the composition has changed."""
        if self.stacked is None or self.stacked[0] != conditionings:
            self.stacked = (conditionings, self.model.stack(conditionings))
        return self.stacked[1]
