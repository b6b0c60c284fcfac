"""Deaths of a worker's processes inside extensions: which of these is to be left out of the next process."""

from __future__ import annotations

from collections.abc import Collection

from webui.jobs.executors.base import LeftOut

DEATHS = 3
"""So many processes in a row must have died inside an extension."""


class Blame:
    """Counts the deaths of one worker's processes. A death outside of an extension begins its count anew."""

    def __init__(self) -> None:
        self._deaths: dict[str, int] = {}
        self.left_out: tuple[LeftOut, ...] = ()
        """The extensions that are to be left out, each with the reason."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of those that are to be left out."""
        return tuple(one.extension for one in self.left_out)

    def forgive(self, but: Collection[str]) -> frozenset[str]:
        """Try all but these again, as somebody who has switched them on wants it; those that were left out."""
        forgiven = frozenset(name for name in self.names if name not in but)
        self.left_out = tuple(one for one in self.left_out if one.extension not in forgiven)
        self._deaths = {name: deaths for name, deaths in self._deaths.items() if name not in forgiven}
        return forgiven

    def died(self, inside: Collection[str], sentence: str) -> str:
        """A process is dead; what is to be said of it. inside: whose code it ran."""
        self._deaths = {name: self._deaths.get(name, 0) + 1 for name in inside}
        guilty = [name for name, deaths in self._deaths.items() if deaths >= DEATHS and name not in self.names]
        for name in guilty:
            problem = f"{DEATHS} workers in a row died inside it, so it was switched off. The last time: {sentence}"
            self.left_out = (*self.left_out, LeftOut(name, problem))
        named = [name for name in inside if f"'{name}'" not in sentence]
        whose = " and ".join(f"'{name}'" for name in named)
        return f"{sentence} It was inside the extension {whose}." if named else sentence
