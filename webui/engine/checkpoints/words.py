"""Embeddings: words that stand for vectors of their own, found where a text names them. Torch-free."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

Tokenize = Callable[[str], Sequence[int]]
_Index = Mapping[int, Mapping[int, Mapping[tuple[int, ...], "Learned"]]]
"""By a name's first token, by how many it has, longest first, and by all of them."""


@dataclass(frozen=True, slots=True)
class Learned:
    """An embedding. name: the word. key: what tells it from others of that name. size: how many places it takes.

    vectors: for each of the model's text encoders, in order, (size, width) float32; () where only places are counted.
    """

    name: str
    key: str
    size: int
    vectors: tuple[Any, ...] = field(default=(), compare=False, repr=False)


class Words:
    """Embeddings by their names, as tokens find them; equal for equal ones, and hashable."""

    def __init__(self, learned: Iterable[Learned] = ()) -> None:
        """learned: the first of several that are spelled alike counts."""
        self.learned = tuple(learned)
        self._indexes: dict[int, tuple[object, _Index]] = {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Words) and self.learned == other.learned

    def __hash__(self) -> int:
        return hash(self.learned)

    def __repr__(self) -> str:
        return f"Words({[one.name for one in self.learned]})"

    def __bool__(self) -> bool:
        return bool(self.learned)

    def placed(self, tokens: Sequence[int], tokenize: Tokenize, whose: object) -> Iterator[int | Learned]:
        """The tokens with an embedding in place of those that spell its name; the longest name counts.

        As in A1111 a name is compared by its tokens, so that letters' case means nothing, nor what brackets there are.
        tokenize: the tokens of a name; whose: what is the same as long as these are.
        """
        if not self.learned:
            yield from tokens
            return
        index, place = self._index(tokenize, whose), 0
        while place < len(tokens):
            there = index.get(tokens[place], {})
            found = ((n, alike.get(tuple(tokens[place : place + n]))) for n, alike in there.items())
            count, one = next(((n, one) for n, one in found if one), (1, None))
            yield one or tokens[place]
            place += count

    def _index(self, tokenize: Tokenize, whose: object) -> _Index:
        known = self._indexes.get(id(whose))
        if known is None:
            spelled: dict[tuple[int, ...], Learned] = {}
            for one in self.learned:
                ids = tuple(tokenize(one.name))
                if ids:
                    spelled.setdefault(ids, one)
            index: dict[int, dict[int, dict[tuple[int, ...], Learned]]] = {}
            for ids, one in sorted(spelled.items(), key=lambda item: -len(item[0])):
                index.setdefault(ids[0], {}).setdefault(len(ids), {})[ids] = one
            # With what it belongs to, so that nothing else gets its number.
            known = self._indexes[id(whose)] = whose, index
        return known[1]


NO_WORDS: Final = Words()
