"""The names that a prompt may hold: LoRAs, embeddings, wildcards and styles, found by their letters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from webui.cards import Cards
from webui.core.job import Identity
from webui.engine.cards.shelf import EMBEDDING, LORA, Model
from webui.prompts import Prompts

WILDCARD, STYLE = "wildcard", "style"
KINDS = (LORA, EMBEDDING, WILDCARD, STYLE)


@dataclass(frozen=True, slots=True)
class Name:
    """A name. written: as it stands in a prompt, "" of a style, which is chosen. note: what is said beside it."""

    kind: str
    name: str
    written: str
    note: str = ""


class PromptNames:
    """What may be typed into a prompt, by whom: others than the owner are told of what works."""

    def __init__(self, cards: Cards, prompts: Prompts) -> None:
        self._cards, self._prompts = cards, prompts

    def find(self, search: str, who: Identity, kind: str = "", most: int = 8) -> list[Name]:
        """At most so many names that hold these letters, those that begin with them first. kind: of KINDS, "" all."""
        wanted = search.strip().casefold()
        named: dict[str, Callable[[], Iterator[Name]]] = {
            LORA: lambda: map(_lora, self._usable(LORA, who)),
            EMBEDDING: lambda: map(_embedding, self._usable(EMBEDDING, who)),
            WILDCARD: self._wildcards,
            STYLE: self._styles,
        }
        kinds = [kind] if kind else list(KINDS)
        found = [one for each in kinds for one in named[each]() if wanted in one.name.casefold()]
        return sorted(found, key=lambda one: (_place(one.name.casefold(), wanted), one.name.casefold()))[:most]

    def _usable(self, kind: str, who: Identity) -> Iterator[Model]:
        return (model for model in self._cards.of(kind, who) if model.usable)

    def _wildcards(self) -> Iterator[Name]:
        there = self._prompts.wildcards()
        return (Name(WILDCARD, name, f"__{name}__", f"{there.count(name):,}") for name in there.names)

    def _styles(self) -> Iterator[Name]:
        return (Name(STYLE, style.name, "") for style in self._prompts.styles().styles)


def _lora(model: Model) -> Name:
    # With its folder where another one is called so.
    name = f"{model.folder}/{model.label}" if model.namesake and model.folder else model.label
    return Name(LORA, name, f"<lora:{name}:{model.card.preferred_weight or 1:g}>", model.family_title)


def _embedding(model: Model) -> Name:
    return Name(EMBEDDING, model.label, model.label, model.family_title)


def _place(name: str, wanted: str) -> int:
    """0 where the name begins so, 1 where one of its words does, else 2."""
    if name.startswith(wanted):
        return 0
    at = name.find(wanted)
    return 1 if at > 0 and not name[at - 1].isalnum() else 2
