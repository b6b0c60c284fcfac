"""What a worker says of the models in its memory: which, how large, and what loading took."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HeldModel:
    """A checkpoint in memory. size_bytes: of all its networks, also of those that it shares with another model."""

    name: str
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class LastLoad:
    """The last model that was loaded. seconds: from making room for it until it was there, without waiting for jobs.

    dropped: whether another model had to go for it, so that it was a swap.
    """

    name: str
    seconds: float
    dropped: bool = False


@dataclass(frozen=True, slots=True)
class Unloaded:
    """What became of a worker's models when they were to go: the names of those that went, and those in use."""

    dropped: tuple[str, ...] = ()
    in_use: tuple[str, ...] = ()
