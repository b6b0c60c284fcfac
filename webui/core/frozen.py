"""A mapping that does not change: equal and hashed by its items, so that a value which holds one is a value too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

V_co = TypeVar("V_co", covariant=True)

_NONE: Mapping[str, Any] = MappingProxyType({})


class FrozenMap(Mapping[str, V_co]):
    """Names and values, in the order of their names. It pickles; it is hashed as long as its values can be."""

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[str, V_co] = _NONE) -> None:
        self._items = dict(sorted(items.items()))

    def __getitem__(self, name: str) -> V_co:
        return self._items[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return hash(tuple(self._items.items()))

    def __repr__(self) -> str:
        return f"FrozenMap({self._items})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (FrozenMap, (self._items,))

    def to_json(self) -> dict[str, Any]:
        """The same as plain dicts, those inside too."""
        return {name: value.to_json() if isinstance(value, FrozenMap) else value for name, value in self.items()}
