"""Embeddings in texts by the letters of their names: whether one is written there, and what infotexts say of them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Final

DIGITS: Final = 12
"""Of a hash in infotexts, as A1111 writes it."""

_MEANINGLESS = re.compile(r"[\s\\]+")


def written_in(name: str, text: str) -> bool:
    """Whether the letters of a name are in a text, whatever their case, blanks between them and backslashes.

    Which words are encoded as embeddings is decided by tokens; where this is False none is.
    """
    return _letters(name) in _letters(text)


def hashes_text(hashes: Mapping[str, str], texts: Iterable[str]) -> str:
    """The embeddings that are written in a picture's texts with the first digits of their hashes, as A1111 has it."""
    letters = [_letters(text) for text in texts]
    used = {name: digest for name, digest in hashes.items() if any(_letters(name) in one for one in letters)}
    return ", ".join(f"{written_name(name)}: {digest[:DIGITS]}" for name, digest in used.items())


def written_name(name: str) -> str:
    """A name as infotexts have it beside its hash."""
    return re.sub("[:,]", "", name)


def _letters(text: str) -> str:
    return _MEANINGLESS.sub("", unicodedata.normalize("NFC", text)).casefold()
