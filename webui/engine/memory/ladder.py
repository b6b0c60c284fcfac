"""Out of memory climbs a ladder: each rung makes room or does with less, and the next of its shape begins there."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from torch import nn

from webui.core.errors import DarkroomError
from webui.engine.device import ran_short
from webui.engine.learnt import Learnt
from webui.engine.reading.kept import size_of

log = logging.getLogger(__name__)

_Made = TypeVar("_Made")

_MUCH = 1 / 8
"""Of a device's memory; when other programs leave as much more than they did, what was learnt then is forgotten."""

_LEFT = "left bytes"
"""By this name a shape's amounts are kept with what other programs left of the device."""

Stage = Literal["load", "encode", "denoise", "decode", "encode picture", "draw"]
"""draw: the whole of it, where a pipeline of diffusers computes."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What runs out of memory alike. How many rows or cells it may take at once is what is remembered of it.

    kind: of the model, as `kind_of` has it; at loading the checkpoint. pixels: of one picture; 0 where there is none.
    """

    stage: Stage
    kind: str
    pixels: int = 0


@dataclass(frozen=True, slots=True)
class Rung:
    """One way out. `note`: the sentence that says it was taken.

    take: does it when memory has just run out; 0 when it cannot help (any more), else what is to be remembered.
    begin: does it with what was remembered, before anything is tried; whether it is to be said.
    remembered: whether the next of the shape begins with it.
    """

    name: str
    note: str
    take: Callable[[], int]
    begin: Callable[[int], bool] = lambda _: True
    remembered: bool = True


class Climb:
    """How far up one computation of a shape is. Belongs to one thread."""

    def __init__(self, ladder: Ladder, shape: Shape, rungs: Sequence[Rung]) -> None:
        """Begins where the last of this shape got to."""
        self.shape = shape
        self.notes: dict[str, None] = {}
        """The sentences of all rungs that were taken, in order."""
        self._ladder, self._rungs = ladder, rungs
        known = ladder.known(shape)
        for rung in rungs:
            if rung.name in known and rung.begin(known[rung.name]):
                self.notes[rung.note] = None

    def trying(self) -> None:
        """To be called before each attempt, where running out of memory is waited for."""
        self._ladder.on_try(self.shape)

    def up(self) -> bool:
        """Take the lowest rung that can help; False when there is none, and then nothing is remembered.

        To be called outside the handler of the error, whose traceback keeps alive what the attempt had computed.
        """
        for rung in self._rungs:
            amount = rung.take()
            if amount:
                log.warning("Out of memory (%s). %s", self.shape.stage, rung.note)
                self.notes[rung.note] = None
                if rung.remembered:
                    self._ladder.learn(self.shape, rung.name, amount)
                return True
        self._ladder.forget(self.shape)
        return False

    def learn(self, name: str, amount: int) -> None:
        """Remember another amount of a rung that was taken, 0 that it is not needed any more."""
        if name in self._ladder.known(self.shape):
            self._ladder.learn(self.shape, name, amount)


class Ladder:
    """What is remembered of all shapes of a device; safe to use from several threads."""

    def __init__(
        self,
        on_try: Callable[[Shape], None] = lambda shape: None,
        learnt: Learnt | None = None,
        left: Callable[[], int] = lambda: 0,
        total: int = 0,
    ) -> None:
        """on_try: told of each attempt before it is made; what it raises counts as the attempt's own.

        learnt: what was remembered before, and where it is kept. left: bytes of the device's memory that other
        programs do not hold now. total: bytes of it in all.
        """
        self.on_try = on_try
        self._learnt = learnt or Learnt()
        self._left, self._much = left, int(total * _MUCH)
        self._known: dict[Shape, dict[str, int]] = {}
        self._left_then: dict[Shape, int] = {}
        """The least that others left when a shape ran short."""
        for shape, known in _shapes(self._learnt.of("memory")):
            self._left_then[shape] = known.pop(_LEFT, 0)
            self._known[shape] = known
        self._lock = threading.Lock()

    def run(
        self,
        shape: Shape,
        rungs: Sequence[Rung],
        attempt: Callable[[], _Made],
        tell: Callable[[str], None],
        problem: Callable[[], DarkroomError],
    ) -> _Made:
        """What `attempt` makes, tried again after each rung. tell: hears each rung's sentence, perhaps again.

        Raises `problem` when memory runs out at the top, and whatever else the attempt raises.
        """
        climb = Climb(self, shape, rungs)
        while True:
            for note in climb.notes:
                tell(note)
            try:
                climb.trying()
                return attempt()
            except Exception as error:
                if not ran_short(error):
                    raise
            # Outside the handler, so that nothing of the failed attempt is kept alive by its traceback.
            if not climb.up():
                raise problem()

    def known(self, shape: Shape) -> dict[str, int]:
        """What is remembered of a shape: the amount of each rung, by name.

        Nothing any more once other programs leave much more memory than they did when it was learnt: it may have been
        they that were in the way.
        """
        with self._lock:
            if shape in self._known and self._left() - self._left_then[shape] > self._much:
                self._drop(shape)
            return dict(self._known.get(shape, {}))

    def learn(self, shape: Shape, name: str, amount: int) -> None:
        """Remember how far a shape had to go; 0 forgets the rung."""
        with self._lock:
            known = {**self._known.get(shape, {}), name: amount}
            if not amount:
                del known[name]
            if not known:
                self._drop(shape)
                return
            left = self._left()
            left = min(left, self._left_then.get(shape, left))
            self._known[shape], self._left_then[shape] = known, left
            self._learnt.put("memory", _key(shape), known | {_LEFT: left})

    def forget(self, shape: Shape | None = None) -> None:
        """Begin at the bottom again, with this shape or with all."""
        with self._lock:
            if shape is not None:
                self._drop(shape)
                return
            self._known.clear()
            self._left_then.clear()
            self._learnt.clear("memory")

    def _drop(self, shape: Shape) -> None:
        if self._known.pop(shape, None) is not None:
            del self._left_then[shape]
            self._learnt.put("memory", _key(shape), None)


def _key(shape: Shape) -> str:
    return json.dumps([shape.stage, shape.kind, shape.pixels])


def _shapes(kept: dict[str, Any]) -> Iterator[tuple[Shape, dict[str, int]]]:
    """What is kept as far as it makes sense."""
    for key, known in kept.items():
        try:
            stage, kind, pixels = json.loads(key)
            yield Shape(stage, kind, int(pixels)), {name: int(amount) for name, amount in known.items()}
        except (ValueError, TypeError, AttributeError):
            continue


def kind_of(network: nn.Module) -> str:
    """What networks that take the same memory have in common: all checkpoints of one kind in one precision."""
    return f"{type(network).__name__}, {size_of(network.parameters())} bytes"
