"""Pages of models: searched, sorted, of one folder, and the tree of folders. Torch-free."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from webui.core.errors import InvalidField
from webui.engine.cards.shelf import Model

SORTS: Mapping[str, Callable[[Model], Any]] = MappingProxyType(
    {
        # Those that are called the same by their folders.
        "name": lambda model: "\0".join(model.name.rpartition("/")[::-2]).casefold(),
        "date": lambda model: model.changed,
        "path": lambda model: model.name.casefold(),
        "size": lambda model: model.size_bytes,
    }
)
"""By what a list may be sorted."""


@dataclass(frozen=True, slots=True)
class Query:
    """Which models, in which order. kind, folder: "" is all; a folder includes those below it.

    search: words that must all be found. cursor: `Page.next` of the page before, "" for the first.
    """

    kind: str = ""
    search: str = ""
    folder: str = ""
    sort: str = "name"
    descending: bool = False
    limit: int = 60
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """Some models, how many the query finds in all, and the cursor of the next page, None after the last."""

    models: Sequence[Model]
    total: int
    next: str | None


def page_of(models: Iterable[Model], query: Query, *, private: bool) -> Page:
    """One page. private: whether the words that are the owner's alone are searched too. Raises InvalidField."""
    words = query.search.casefold().split()
    found = [model for model in models if _is_in(model, query) and _has(model, words, private)]
    key = SORTS[query.sort]
    # What is equal is told apart by the id, so that a page goes on exactly where the last one ended.
    ordered = sorted(((key(model), model.id), model) for model in found)
    places = [place for place, _ in ordered]
    if query.descending:
        ordered.reverse()
    if query.cursor:
        after = _place_of(query.cursor, places)
        ordered = [(place, m) for place, m in ordered if (place < after if query.descending else place > after)]
    shown = ordered[: query.limit]
    more = len(ordered) > len(shown)
    return Page([model for _, model in shown], len(found), _cursor(shown[-1][0]) if shown and more else None)


def folders_of(models: Iterable[Model]) -> dict[str, int]:
    """How many models lie in each folder, those below it included; "" is all."""
    counts: Counter[str] = Counter({"": 0})
    for model in models:
        counts[""] += 1
        folder = model.folder
        while folder:
            counts[folder] += 1
            folder = folder.rpartition("/")[0]
    return {folder: counts[folder] for folder in sorted(counts, key=str.casefold)}


def _is_in(model: Model, query: Query) -> bool:
    if query.kind and model.kind != query.kind:
        return False
    return not query.folder or model.folder == query.folder or model.folder.startswith(f"{query.folder}/")


def _has(model: Model, words: Sequence[str], private: bool) -> bool:
    text = model.owner_words if private else model.words
    return all(word in text for word in words)


def _cursor(place: tuple[Any, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def _place_of(cursor: str, places: Sequence[tuple[Any, str]]) -> tuple[Any, str]:
    """The place that a cursor names; the model there may be gone. Raises InvalidField."""
    try:
        key, model_id = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        place = (key, str(model_id))
        if key != key:
            raise ValueError("no number")
        # Compared once with what is there, so that one of another order is found out.
        _ = places[:1] and place < places[0]
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidField(
            "This cursor is none of this list.", field="cursor", remedies=("Begin again without a cursor",)
        ) from error
    return place
