"""The loop's heart: collect the asks of all lanes, predict once for each group, and send each lane its answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from webui.core.errors import OutOfMemory
from webui.engine.adapters.fitting import PLAIN, AdapterSet
from webui.engine.adapters.merging import Merging
from webui.engine.adapters.slices import Slices
from webui.engine.attention.apply import Applied, Apply
from webui.engine.attention.shortcuts import Shortcuts
from webui.engine.device import is_fatal, ran_short
from webui.engine.families.base import Conditioning, LoadedModel
from webui.engine.hooks import Patches
from webui.engine.lanes import GroupKey, Lane
from webui.engine.memory.ladder import Climb, Rung, Shape, kind_of
from webui.engine.memory.rungs import ATTENTION, CHEAP_ATTENTION, HALVE, Evict, Relief, evicting, freeing, ways_out

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


@dataclass
class _Group:
    """Lanes that may share forward passes, and what they have cost together (seconds)."""

    key: GroupKey
    model: LoadedModel
    attention: str
    shortcuts: Shortcuts
    limit: int
    spent: float
    patches: Patches | None = None
    """How extensions change the model for its forward passes."""
    adapters: AdapterSet = PLAIN
    lanes: list[Lane] = field(default_factory=list)
    calm: int = 0
    stacked: tuple[list[Conditioning], Any] | None = None
    tried: int = 0
    """Rows of the forward pass that was made last, or that failed."""
    climb: Climb = field(init=False)

    def rungs(self, evict: Evict) -> tuple[Rung, ...]:
        """What may be done when its forward passes run out of memory, in order."""
        return (
            freeing(self.device),
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

    @property
    def device(self) -> torch.device:
        """Where its forward passes are made."""
        return self.model.device

    def next_lanes(self) -> list[Lane]:
        """Those to be answered next: all when their rows fit, else an even share, and those take turns."""
        total = sum(lane.rows for lane in self.lanes)
        if total <= self.limit:
            return list(self.lanes)
        share = -(-total // -(-total // self.limit))
        chosen: list[Lane] = []
        rows = 0
        for lane in self.lanes:
            if chosen and rows + lane.rows > share:
                break
            chosen.append(lane)
            rows += lane.rows
        self.lanes = self.lanes[len(chosen) :] + chosen
        return chosen

    def predict(self, x: Tensor, sigmas: Sequence[float], context: Any) -> Tensor:
        """One forward pass, with the model as extensions want it for these lanes."""
        if self.patches is None:
            return self.model.predict(x, sigmas, context)
        with self.patches.applied(self.model):
            return self.model.predict(x, sigmas, context)

    def context(self, conditionings: list[Conditioning]) -> Any:
        """The stacked conditionings; made again only when the composition has changed."""
        if self.stacked is None or self.stacked[0] != conditionings:
            self.stacked = (conditionings, self.model.stack(conditionings))
        return self.stacked[1]


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
    ) -> None:
        """attention: applies a backend to a network, by its name. observer: told of each forward pass.

        relief: what is done when a forward pass runs out of memory, beside smaller groups and cheaper attention.
        merging: merges adapters into networks; nobody else merges any into those that are denoised with.
        """
        self._attention = attention
        self._relief = relief or Relief()
        self._max_rows = max_rows
        self._observer = observer
        self._groups: dict[GroupKey, _Group] = {}
        self._guests: list[Guest] = []
        self._applied: dict[int, tuple[tuple[str, Shortcuts], Applied]] = {}
        self._pace = _Pace()
        self._slices = Slices(merging or Merging(), self._relief)

    @property
    def busy(self) -> bool:
        """Whether any lane has an open ask, or a guest waits for its turn."""
        return bool(self._groups or self._guests)

    def add(self, lane: Lane) -> None:
        """Start a lane; from the next turn on it takes part."""
        lane.start()
        if not lane.ended:
            self._seat(lane)

    def _seat(self, lane: Lane) -> None:
        """Put a lane among those that it shares with."""
        group = self._groups.get(lane.key)
        if group is None:
            group = self._groups[lane.key] = self._group(lane)
        group.lanes.append(lane)

    def _group(self, lane: Lane) -> _Group:
        """A new one, for this lane."""
        key, shortcuts = lane.key, lane.shortcuts
        group = _Group(key, lane.model, lane.attention, shortcuts, self._max_rows, self._least(), lane.patches)
        group.adapters = lane.adapters
        height, width = _size(lane)
        shape = Shape("denoise", kind_of(lane.model.denoiser), height * width)
        group.climb = Climb(self._relief.ladder, shape, group.rungs(self._relief.evict))
        return group

    def welcome(self, guest: Guest) -> None:
        """Give a guest one turn when it has cost least; it comes again for the next one."""
        if not guest.ended:
            guest.spent = max(guest.spent, self._least())
            self._guests.append(guest)

    def discard_ended(self) -> None:
        """Take out what has ended, and take back attention on models that no group uses any more."""
        self._guests = [guest for guest in self._guests if not guest.ended]
        for key, group in list(self._groups.items()):
            group.lanes = [lane for lane in group.lanes if not lane.ended]
            if not group.lanes:
                del self._groups[key]
        used = {id(group.model.denoiser) for group in self._groups.values()}
        for network in [known for known in self._applied if known not in used]:
            self._applied.pop(network)[1].undo()
        self._slices.put_back(used)

    def turn(self) -> None:
        """Let the group or the guest have its turn that has cost least."""
        chosen = min(self._ready(), key=lambda one: one.spent)
        started = time.perf_counter()
        if isinstance(chosen, _Group):
            self._answer(chosen)
        else:
            self._guests.remove(chosen)
            chosen.turn()
        self._pace.mark(chosen.device)
        chosen.spent += time.perf_counter() - started

    def _least(self) -> float:
        return min((one.spent for one in self._all()), default=0.0)

    def _all(self) -> list[_Group | Guest]:
        return [*self._groups.values(), *self._guests]

    def _ready(self) -> list[_Group | Guest]:
        """All but groups that wait until others have had their time with other adapters in the same network."""
        held = {(id(group.model.denoiser), group.adapters.key) for group in self._groups.values()}
        waiting = self._slices.waiting
        groups = [g for g in self._groups.values() if not waiting(g.model.denoiser, g.adapters.key, held)]
        return [*groups, *self._guests]

    def _answer(self, group: _Group) -> None:
        lanes = group.next_lanes()
        try:
            self._serve(group, lanes)
        # A failure that cannot be told apart from a lane's own; each lane by itself shows whose it is.
        except (Exception, SystemExit) as error:
            if is_fatal(error):
                raise
            self._serve_one_by_one(group, lanes, error)
        # A handover to a refiner makes another group's member of a lane, and so do adapters for some steps only.
        moved = [lane for lane in lanes if not lane.ended and lane.key != group.key]
        for lane in moved:
            group.lanes.remove(lane)
            self._seat(lane)
        if moved or any(lane.ended for lane in lanes):
            self.discard_ended()

    def _serve_one_by_one(self, group: _Group, lanes: Sequence[Lane], error: BaseException) -> None:
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

    def _serve(self, group: _Group, lanes: Sequence[Lane]) -> None:

        def tell(note: str) -> None:
            for lane in lanes:
                lane.tell((note,))

        self._slices.hold(group.model.denoiser, group.adapters.denoiser, group.device, tell)
        self._apply_attention(group)
        x = torch.cat([part for lane in lanes for part in lane.inputs()])
        sigmas = [lane.ask.sigma for lane in lanes for _ in range(lane.rows)]
        conditionings = [one for lane in lanes for one in lane.conditionings()]
        denoised, lacking = self._predict(group, x, sigmas, conditionings, len(lanes))
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

    def _predict(
        self, group: _Group, x: Tensor, sigmas: Sequence[float], conditionings: list[Conditioning], lanes: int
    ) -> tuple[Tensor, list[int]]:
        """(predictions, rows for which there was not enough memory even alone)."""
        rows = len(sigmas)
        if rows <= group.limit:
            group.tried = rows
            try:
                group.climb.trying()
                answer = group.predict(x, sigmas, group.context(conditionings))
                if self._observer is not None:
                    self._observer(ForwardPass(rows, lanes))
                return answer, []
            except Exception as error:
                if not ran_short(error):
                    raise
            # Outside the handler, so that nothing of the failed pass is kept alive by its traceback.
            group.stacked = None
            group.calm = 0
            if not group.climb.up():
                return x, list(range(rows))
            self._apply_attention(group)
            return self._predict(group, x, sigmas, conditionings, lanes)
        half = rows // 2
        first, lacking = self._predict(group, x[:half], sigmas[:half], conditionings[:half], lanes)
        second, more = self._predict(group, x[half:], sigmas[half:], conditionings[half:], lanes)
        return torch.cat([first, second]), lacking + [half + row for row in more]

    def _adapt(self, group: _Group) -> None:
        group.calm += 1
        if group.limit < self._max_rows and group.calm >= _CALM_TURNS:
            group.limit = min(self._max_rows, 2 * group.limit)
            group.climb.learn(HALVE, group.limit if group.limit < self._max_rows else 0)
            group.calm = 0

    def _apply_attention(self, group: _Group) -> None:
        # By the network, which models with different autoencoders may share.
        network = group.model.denoiser
        current, wanted = self._applied.get(id(network)), (group.attention, group.shortcuts)
        if current is not None and current[0] == wanted:
            return
        if current is not None:
            del self._applied[id(network)]
            current[1].undo()
        self._applied[id(network)] = (wanted, self._attention(group.attention, network, group.shortcuts))


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
