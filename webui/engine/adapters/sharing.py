"""Which lanes with different adapters over one network share its forward passes: measured, not guessed.

Merged sets take turns in the network and cost nothing beside its own work; sets that are computed beside it
(`beside.py`) share passes and cost two small products for each layer. Which is quicker depends on the device and on how
many rows there are, so both are tried, once for each network, size and number of sets.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from weakref import WeakKeyDictionary, WeakSet

from torch import nn

from webui.engine.adapters.beside import fits_beside
from webui.engine.adapters.fitting import Shares
from webui.engine.config import EngineConfig, Sharing
from webui.engine.lanes import GroupKey, Lane

TOGETHER = ("together",)
"""In place of a set's key: lanes of any sets, computed beside the network."""

_TRIALS = 3
"""Shared passes that are timed, the first of which is not counted: it prepares what the others use."""

_GAIN = 0.95
"""Sharing counts as quicker below this ratio, so that chance does not decide."""

_MOST = 100
"""Meetings that are remembered."""


class _Mode(Enum):
    TURNS = 0
    TRIAL = 1
    SHARED = 2


@dataclass
class _Meeting:
    """What is known about lanes that would share passes but for their adapters. Seconds are for one row of a pass."""

    mode: _Mode = _Mode.TURNS
    turns: dict[Hashable, float] = field(default_factory=dict)
    """By the key of a set, the quickest pass with it merged."""
    trial: list[float] = field(default_factory=list)
    sets: frozenset[Hashable] = frozenset()
    """The keys of those that meet now."""
    decided: dict[int, bool] = field(default_factory=dict)
    """By the number of sets, whether sharing was the quicker."""


class Together:
    """Keeps, for a denoiser's lanes, which of them are computed beside their network. Used by the loop's thread."""

    def __init__(self, sharing: Sharing = Sharing.MEASURED) -> None:
        self._sharing = sharing
        self._meetings: dict[GroupKey, _Meeting] = {}
        self._fitting: WeakKeyDictionary[Shares, bool] = WeakKeyDictionary()
        self._refused: WeakSet[nn.Module] = WeakSet()
        self._before: GroupKey | None = None

    @classmethod
    def of(cls, config: EngineConfig) -> Together:
        """As an engine is to have it; compiled blocks leave no place beside their layers."""
        return cls(Sharing.NEVER if config.compile_repeated_blocks else config.sharing)

    def key(self, lane: Lane) -> GroupKey:
        """With whom a lane shares passes."""
        key = lane.key
        meeting = self._meetings.get(without_adapters(key)) if self._meetings else None
        if meeting is None or meeting.mode is _Mode.TURNS or not self.can(lane):
            return key
        return replace(key, adapters=TOGETHER)

    @property
    def measures(self) -> bool:
        """Whether it matters how long passes take: different sets have met."""
        return bool(self._meetings)

    def can(self, lane: Lane) -> bool:
        """Whether what a lane's model gets of adapters can be computed beside it."""
        if self._sharing is Sharing.NEVER or lane.key.alone is not None or lane.model.denoiser in self._refused:
            return False
        shares = lane.adapters.denoiser
        if shares is None:
            return True
        if shares not in self._fitting:
            self._fitting[shares] = fits_beside(shares)
        return self._fitting[shares]

    def met(self, key: GroupKey, sets: Collection[Hashable]) -> bool:
        """Take note of which sets meet now where this group computes; whether lanes must be seated anew."""
        place = without_adapters(key)
        meeting = self._meetings.get(place)
        if meeting is not None:
            meeting.sets = frozenset(sets)
        if len(sets) < 2:
            return meeting is not None and self._turn_to(meeting, _Mode.TURNS)
        if meeting is None:
            while len(self._meetings) >= _MOST:
                self._meetings.pop(next(iter(self._meetings)))
            meeting = self._meetings[place] = _Meeting(sets=frozenset(sets))
        if self._sharing is Sharing.ALWAYS or meeting.decided.get(len(sets)):
            return self._turn_to(meeting, _Mode.SHARED)
        if meeting.mode is _Mode.SHARED:
            # By another number of sets than was decided about.
            return self._turn_to(meeting, _Mode.TURNS)
        return False

    def timed(self, key: GroupKey, seconds: float, rows: Mapping[Hashable, int]) -> bool:
        """A pass of this group took so long; whether lanes must be seated anew.

        rows: how many each set had in it. A device that computes later than it is told to shows a
        pass's time at the next one, so only passes after others of the same group count.
        """
        again, self._before = self._before == key, key
        meeting = self._meetings.get(without_adapters(key)) if self._meetings else None
        # Of a pass in whose course they met it is not known whose rows it had.
        if not rows or meeting is None or self._sharing is not Sharing.MEASURED or meeting.mode is _Mode.SHARED:
            return False
        total = sum(rows.values())
        if meeting.mode is _Mode.TRIAL:
            if key.adapters == TOGETHER:
                meeting.trial.append(seconds)
            return len(meeting.trial) >= _TRIALS and self._decide(meeting, rows)
        if again:
            one = seconds / total
            meeting.turns[key.adapters] = min(meeting.turns.get(key.adapters, one), one)
        if len(meeting.sets) in meeting.decided or not meeting.sets.issubset(meeting.turns):
            return False
        return self._turn_to(meeting, _Mode.TRIAL)

    def refuse(self, network: nn.Module) -> None:
        """Never again: the network does not keep the rows of a pass apart."""
        self._refused.add(network)

    def _decide(self, meeting: _Meeting, rows: Mapping[Hashable, int]) -> bool:
        in_turns = sum(meeting.turns.get(key, 0.0) * count for key, count in rows.items())
        quicker = meeting.decided[len(meeting.sets)] = min(meeting.trial[1:]) < _GAIN * in_turns
        return self._turn_to(meeting, _Mode.SHARED if quicker else _Mode.TURNS)

    def _turn_to(self, meeting: _Meeting, mode: _Mode) -> bool:
        meeting.trial.clear()
        changed = meeting.mode is not mode
        meeting.mode = mode
        return changed


def without_adapters(key: GroupKey) -> GroupKey:
    """The same for all lanes that would share passes but for their adapters."""
    return replace(key, adapters=())
