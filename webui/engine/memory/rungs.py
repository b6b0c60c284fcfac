"""The rungs that most stages share: caches are freed, models that nobody uses go, a picture is decoded by tiles."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum

import torch

from webui.engine.device import free_cache
from webui.engine.memory.ladder import Ladder, Rung


class Freed(IntEnum):
    """What was made to leave a device."""

    NOTHING = 0
    SEATS = 1
    """Only weights that wait in RAM, which come back for the next attempt."""
    MODELS = 2


Evict = Callable[[], Freed]
"""Drops the models that nobody uses, and has weights that wait in RAM leave the device; what that made room of."""


def nothing() -> Freed:
    """An `Evict` where there is nothing to drop."""
    return Freed.NOTHING


@dataclass(frozen=True, slots=True)
class Relief:
    """What makes room, and what is remembered of it."""

    ladder: Ladder = field(default_factory=Ladder)
    evict: Evict = nothing


HALVE, TILES, ATTENTION = "halve", "tiles", "attention"

CHEAP_ATTENTION = "sub-quadratic"
"""The row of the attention that takes least memory."""

_LARGEST_TILE, _LEAST_TILE = 64, 32


def freeing(device: torch.device) -> Rung:
    """Free what torch keeps of memory for later. Once in a climb; where nothing is kept it is no help."""
    freed = False

    def free() -> int:
        nonlocal freed
        if freed or device.type == "cpu":
            return 0
        freed = True
        # What refers to itself in circles goes too.
        gc.collect()
        free_cache(device)
        return 1

    def begin(_: int) -> bool:
        free_cache(device)
        return False

    return Rung("free", "Memory ran out, so memory that was kept in reserve was freed.", free, begin)


def evicting(evict: Evict, *, remembered: bool = False) -> Rung:
    """Drop the models that nobody uses.

    That weights left which wait in RAM is help once in a climb: those of the network that failed leave too, and would
    come and fail for ever. remembered: for loading; elsewhere what was in the way once need not be again.
    """
    left = False

    def take() -> int:
        nonlocal left
        freed = evict()
        if freed is Freed.SEATS:
            helps, left = not left, True
            return int(helps)
        return int(freed)

    note = "Memory ran out, so models that nobody uses made room."
    return Rung("evict", note, take, lambda _: bool(evict()), remembered)


class Tiles:
    """How large the tiles are that a picture is decoded or encoded by."""

    def __init__(self, cells: int, verb: str = "decodes") -> None:
        """cells: of the picture's longer side, a latent's; 0 where there is nothing that works by tiles."""
        self.cells = cells
        self._note = f"Memory is short, so the VAE {verb} the picture by tiles."
        self.side = 0
        """Latent cells along each side of a tile; 0 decodes the whole."""

    def rung(self) -> Rung:
        """By tiles, then by smaller ones."""
        return Rung(TILES, self._note, self._take, self._begin)

    def _take(self) -> int:
        smaller = self.side // 2 if self.side else _LARGEST_TILE
        if smaller >= self.cells:
            smaller = _LEAST_TILE
        if smaller < _LEAST_TILE or smaller >= self.cells:
            return 0
        self.side = smaller
        return smaller

    def _begin(self, side: int) -> bool:
        self.side = side
        return True


def ways_out(device: torch.device, *own: str) -> tuple[str, ...]:
    """What a person can do when nothing here has helped; own: what helps in this case."""
    beside = ("Start with --medvram or --lowvram",) if device.type == "cuda" else ()
    return *own, *beside, "Close other programs that use the device"
