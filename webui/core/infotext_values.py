"""How a value stands in an infotext's line of parameters, and how it is read there by its field's kind."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any


def quote(text: str) -> str:
    """The text as a JSON string, which reads back whatever is in it."""
    return json.dumps(text, ensure_ascii=False)


def write_value(value: Any) -> str:
    """The value as A1111 writes it; a text that would not read back as it was is quoted."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value)
    # A1111 quotes for comma, newline and colon; the others would not read back as they were.
    if any(mark in text for mark in ',\n:"\r') or text != text.strip() or text[:1] in ("[", "{"):
        return quote(text)
    return text


def read_value(kind: str, text: str) -> Any:
    """What a text of the line means to a field of this kind; the text itself where it means nothing to it."""
    return _READERS.get(kind, str)(text)


def _number(text: str) -> Any:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return text


def _truth(text: str) -> Any:
    return {"true": True, "false": False}.get(text.strip().lower(), text)


_READERS: Mapping[str, Callable[[str], Any]] = {"int": _number, "float": _number, "bool": _truth}
