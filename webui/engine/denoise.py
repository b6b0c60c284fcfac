"""The loop's heart: collect the asks of all lanes, predict once for each group, and send each lane its answer."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from webui.core.errors import OutOfMemory
from webui.engine.adapters.beside import Beside, RowsMixed
from webui.engine.adapters.merging import Merging
from webui.engine.adapters.sharing import TOGETHER, Together, without_adapters
from webui.engine.adapters.slices import Slices
from webui.engine.attention.apply import Applied, Apply
from webui.engine.attention.shortcuts import Shortcuts
from webui.engine.config import EngineConfig
from webui.engine.device import is_fatal, ran_short
from webui.engine.groups import Group, Rows, Thrift
from webui.engine.lanes import GroupKey, Lane
from webui.engine.memory.ladder import Climb, Shape, kind_of
from webui.engine.memory.rungs import HALVE, Relief, ways_out

# Turns without running out of memory after which a group that was halved may grow again.
_CALM_TURNS = 64


@dataclass(frozen=True, slots=True)
class ForwardPass:
    """One forward pass that was made: how many rows of how many lanes it answered."""

    rows: int
    lanes: int


class ForwardCounts:
    """Counts forward passes and their rows, and passes them on to an observer."""

    def __init__(self, observer: Callable[[ForwardPass], None] | None = None) -> None:
        self.forwards = self.rows = 0
        self._observer = observer

    def __call__(self, forward: ForwardPass) -> None:
        """Count one."""
        self.forwards += 1
        self.rows += forward.rows
        if self._observer is not None:
            self._observer(forward)


class Guest(Protocol):
    """Something beside the lanes that computes on a thread of its own and takes its turns here (engine/stock)."""

    spent: float
    """Seconds that its turns have cost together; kept by the denoiser."""
    ended: bool

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        ...

    def turn(self) -> None:
        """Make one forward pass. Raises only what means that the device itself is broken."""
        ...


class Denoiser:
    """Groups of lanes, and guests, that take turns. Used by one thread, inside torch.inference_mode.

    One turn answers the open asks of one group, the one that has cost least so far, with one forward pass
    (several when memory or `max_rows` do not admit all rows at once).
    """

    def __init__(
        self,
        attention: Apply,
        max_rows: int,
        observer: Callable[[ForwardPass], None] | None = None,
        *,
        relief: Relief | None = None,
        merging: Merging | None = None,
        together: Together | None = None,
    ) -> None:
        """attention: applies a backend to a network, by its name. observer: told of each forward pass.

        relief: what is done when a forward pass runs out of memory, beside smaller groups and cheaper attention.
        merging: merges adapters into networks; nobody else merges any into those that are denoised with.
        together: decides which lanes with different adapters share passes.
        """
        self._attention = attention
        self._relief = relief or Relief()
        self._max_rows = max_rows
        self._observer = observer
        self._groups: dict[GroupKey, Group] = {}
        self._guests: list[Guest] = []
        self._applied: dict[int, tuple[tuple[str, Shortcuts], Applied]] = {}
        self._pace = _Pace()
        self._slices = Slices(merging or Merging(), self._relief)
        self._together = together or Together()
        self._beside: dict[int, Beside] = {}
        self._answering = False
        """Whether a pass is being answered, in whose course a lane may end and its job's next one be added."""

    @classmethod
    def of(
        cls,
        config: EngineConfig,
        attention: Apply,
        observer: Callable[[ForwardPass], None],
        relief: Relief,
        merging: Merging,
    ) -> Denoiser:
        """An engine's, by its options."""
        together = Together.of(config)
        return cls(attention, config.max_rows, observer, relief=relief, merging=merging, together=together)

    @property
    def busy(self) -> bool:
        """Whether any lane has an open ask, or a guest waits for its turn."""
        return bool(self._groups or self._guests)

    def add(self, lane: Lane) -> None:
        """Start a lane; from the next turn on it takes part."""
        lane.start()
        if not lane.ended:
            self._seat(lane)
            if not self._answering:
                self._meet()

    def _seat(self, lane: Lane) -> None:
        """Put a lane among those that it shares with."""
        key = self._together.key(lane)
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = self._group(lane, key)
        group.lanes.append(lane)

    def _group(self, lane: Lane, key: GroupKey) -> Group:
        """A new one, for this lane."""
        thrift = Thrift(lane.attention, self._max_rows)
        group = Group(key, lane.model, thrift, lane.shortcuts, self._least(), lane.patches)
        if key.adapters == TOGETHER:
            network = lane.model.denoiser
            group.beside = self._beside.setdefault(id(network), Beside(network, group.device))
        else:
            group.adapters = lane.adapters
        height, width = _size(lane)
        shape = Shape("denoise", kind_of(lane.model.denoiser), height * width)
        group.climb = Climb(self._relief.ladder, shape, thrift.rungs(self._relief.evict, group.device))
        return group

    def _meet(self) -> None:
        """Seat lanes anew where others than before have come together."""
        changed = [self._together.met(key, sets) for key, sets in self._sets().items()]
        if any(changed):
            self._seat_anew()

    def _sets(self) -> dict[GroupKey, set[Hashable]]:
        """The keys of the adapters that might share passes, by what their lanes share else."""
        found: dict[GroupKey, set[Hashable]] = {}
        for group in self._groups.values():
            for lane in group.lanes:
                if not lane.ended and self._together.can(lane):
                    found.setdefault(without_adapters(group.key), set()).add(lane.adapters.key)
        return found

    def _seat_anew(self) -> None:
        for group in list(self._groups.values()):
            for lane in [lane for lane in group.lanes if self._together.key(lane) != group.key]:
                group.lanes.remove(lane)
                self._seat(lane)
        self._drop_empty()

    def _drop_empty(self) -> None:
        self._groups = {key: group for key, group in self._groups.items() if group.lanes}
        used = {id(group.model.denoiser) for group in self._groups.values() if group.beside is not None}
        for network in [network for network in self._beside if network not in used]:
            self._beside.pop(network).remove()

    def welcome(self, guest: Guest) -> None:
        """Give a guest one turn when it has cost least; it comes again for the next one."""
        if not guest.ended:
            guest.spent = max(guest.spent, self._least())
            self._guests.append(guest)

    def discard_ended(self) -> None:
        """Take out what has ended, and take back attention on models that no group uses any more."""
        self._guests = [guest for guest in self._guests if not guest.ended]
        for group in self._groups.values():
            group.lanes = [lane for lane in group.lanes if not lane.ended]
        self._drop_empty()
        self._meet()
        used = {id(group.model.denoiser) for group in self._groups.values()}
        for network in [known for known in self._applied if known not in used]:
            self._applied.pop(network)[1].undo()
        self._slices.put_back(used)

    def turn(self) -> None:
        """Let the group or the guest have its turn that has cost least."""
        chosen = min(self._ready(), key=lambda one: one.spent)
        started = time.perf_counter()
        rows: Counter[Hashable] = Counter()
        if isinstance(chosen, Group):
            rows = self._answer(chosen)
        else:
            self._guests.remove(chosen)
            chosen.turn()
        self._pace.mark(chosen.device)
        seconds = time.perf_counter() - started
        chosen.spent += seconds
        if isinstance(chosen, Group) and self._together.timed(chosen.key, seconds, rows):
            self._seat_anew()

    def _least(self) -> float:
        return min((one.spent for one in self._all()), default=0.0)

    def _all(self) -> list[Group | Guest]:
        return [*self._groups.values(), *self._guests]

    def _ready(self) -> list[Group | Guest]:
        """All but groups that wait until others have had their time with other adapters in the same network."""
        held = {(id(group.model.denoiser), group.adapters.key) for group in self._groups.values()}
        waiting = self._slices.waiting
        groups = [g for g in self._groups.values() if not waiting(g.model.denoiser, g.adapters.key, held)]
        return [*groups, *self._guests]

    def _answer(self, group: Group) -> Counter[Hashable]:
        """Answer what is next in a group; how many rows that was, by their adapters, where that is asked for."""
        lanes = group.next_lanes()
        rows: Counter[Hashable] = Counter()
        for lane in lanes if self._together.measures else ():
            rows[lane.adapters.key] += lane.rows
        self._answering = True
        try:
            self._serve(group, lanes)
        except RowsMixed:
            self._together.refuse(group.model.denoiser)
            self._seat_anew()
            return rows
        # A failure that cannot be told apart from a lane's own; each lane by itself shows whose it is.
        except (Exception, SystemExit) as error:
            if is_fatal(error):
                raise
            self._serve_one_by_one(group, lanes, error)
        finally:
            self._answering = False
        # A handover to a refiner makes another group's member of a lane, and so do adapters for some steps only.
        moved = [lane for lane in lanes if not lane.ended and self._together.key(lane) != group.key]
        for lane in moved:
            group.lanes.remove(lane)
            self._seat(lane)
        if moved or any(lane.ended for lane in lanes):
            self.discard_ended()
        return rows

    def _serve_one_by_one(self, group: Group, lanes: Sequence[Lane], error: BaseException) -> None:
        if len(lanes) == 1:
            lanes[0].fail(error)
            return
        for lane in lanes:
            try:
                self._serve(group, [lane])
            except (Exception, SystemExit) as own:
                if is_fatal(own):
                    raise
                lane.fail(own)

    def _serve(self, group: Group, lanes: Sequence[Lane]) -> None:

        def tell(note: str) -> None:
            for lane in lanes:
                lane.tell((note,))

        self._slices.hold(group.model.denoiser, group.adapters.denoiser, group.device, tell)
        self._apply_attention(group)
        denoised, lacking = self._predict(group, Rows.of(lanes), len(lanes))
        notes = self._applied[id(group.model.denoiser)][1].notes
        first = 0
        for lane in lanes:
            last = first + lane.rows
            lane.tell(notes)
            lane.tell(group.climb.notes)
            if any(first <= row < last for row in lacking):
                lane.fail(_no_memory(lane))
            else:
                lane.answer(denoised[first:last])
            first = last
        self._adapt(group)

    def _predict(self, group: Group, rows: Rows, lanes: int) -> tuple[Tensor, list[int]]:
        """(predictions, rows for which there was not enough memory even alone)."""
        if len(rows) <= group.thrift.limit:
            group.thrift.tried = len(rows)
            try:
                group.climb.trying()
                answer = group.predict(rows)
                if self._observer is not None:
                    self._observer(ForwardPass(len(rows), lanes))
                return answer, []
            except Exception as error:
                if not ran_short(error):
                    raise
            # Outside the handler, so that nothing of the failed pass is kept alive by its traceback.
            group.stacked = None
            group.calm = 0
            if not group.climb.up():
                return rows.x, list(range(len(rows)))
            self._apply_attention(group)
            return self._predict(group, rows, lanes)
        (first, lacking), (second, more) = (self._predict(group, half, lanes) for half in rows.halves())
        return torch.cat([first, second]), lacking + [len(first) + row for row in more]

    def _adapt(self, group: Group) -> None:
        group.calm += 1
        if group.thrift.limit < self._max_rows and group.calm >= _CALM_TURNS:
            group.thrift.limit = min(self._max_rows, 2 * group.thrift.limit)
            group.climb.learn(HALVE, group.thrift.limit if group.thrift.limit < self._max_rows else 0)
            group.calm = 0

    def _apply_attention(self, group: Group) -> None:
        # By the network, which models with different autoencoders may share.
        network = group.model.denoiser
        current, wanted = self._applied.get(id(network)), (group.thrift.attention, group.shortcuts)
        if current is not None and current[0] == wanted:
            return
        if current is not None:
            del self._applied[id(network)]
            current[1].undo()
        self._applied[id(network)] = (wanted, self._attention(group.thrift.attention, network, group.shortcuts))


class _Pace:
    """Keeps the host at most one turn ahead of a GPU, so that steps are told and verbs obeyed when they happen."""

    def __init__(self) -> None:
        self._marks: list[torch.cuda.Event] = []

    def mark(self, device: torch.device) -> None:
        """Note that a turn was queued, and wait for the turn before it."""
        if device.type == "mps":
            torch.mps.synchronize()
        if device.type != "cuda":
            return
        event = torch.cuda.Event()
        event.record(torch.cuda.current_stream(device))
        self._marks.append(event)
        if len(self._marks) > 1:
            self._marks.pop(0).synchronize()


def _size(lane: Lane) -> tuple[int, int]:
    """(height, width) in pixels of the lane's pictures."""
    height, width = lane.ask.x.shape[-2:]
    return height * lane.model.latent_factor, width * lane.model.latent_factor


def _no_memory(lane: Lane) -> OutOfMemory:
    height, width = _size(lane)
    return OutOfMemory(
        f"There is not enough memory for a picture of this size ({width} × {height}), not even for one by itself.",
        field="width",
        remedies=ways_out(lane.model.device, "Lower the size"),
    )
