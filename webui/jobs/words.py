"""The gallery's search: whether a text holds all words, whatever their case, in any alphabet."""

from __future__ import annotations

import json
import unicodedata
from functools import lru_cache


def has_words(text: str, words: str) -> bool:
    """Whether `text` holds every one of `words`, a JSON list; called by SQLite for each row that it looks at."""
    folded = _fold(text)
    return all(word in folded for word in _folded(words))


@lru_cache(maxsize=64)
def _folded(words: str) -> tuple[str, ...]:
    return tuple(_fold(word) for word in json.loads(words))


def _fold(text: str) -> str:
    # A keyboard may send é as one sign and a text hold it as two; ASCII needs neither step and is most of it.
    return text.lower() if text.isascii() else unicodedata.normalize("NFC", text.casefold())
