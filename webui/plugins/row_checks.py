"""Checks of extensions' rows when they are loaded: what would fail only when somebody uses them is said at once."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, get_args, get_type_hints

from webui.core.errors import DarkroomError, nearest
from webui.core.hook_rows import Route, Script

MOST_PICTURES = 100
"""So many pictures of its own a script may have."""
_MOST_NAME = 100
_IN_ADDRESSES = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""Names that stand in an address as they are."""


def check_row(row: Any, title: str) -> None:
    """Refuse a row with values that cannot be. title: what its kind is called. Raises DarkroomError."""
    name = row.name
    if not isinstance(name, str) or not name.strip() or len(name) > _MOST_NAME or not name.isprintable():
        raise DarkroomError(f"A {title} of its own has the name {str(name)[:60]!r}; it must be a short text.")
    if isinstance(row, Route | Script):
        _check_address(row, title)
    if isinstance(row, Route):
        _check_choice(row, title, "method")
    if isinstance(row, Script) and not (type(row.pictures) is int and 0 <= row.pictures <= MOST_PICTURES):
        raise DarkroomError(f"Its script '{name}' has pictures={row.pictures!r}; it must be from 0 to {MOST_PICTURES}.")


def _check_address(row: Route | Script, title: str) -> None:
    for name in (row.name, *row.aliases):
        if not _IN_ADDRESSES.fullmatch(name):
            raise DarkroomError(
                f"Its {title} '{name}' stands in an address, so its name must be of letters, digits, ., - and _."
            )
    _check_choice(row, title, "level")


def _check_choice(row: Any, title: str, field: str) -> None:
    """Refuse a value that its field's type does not name."""
    value, known = getattr(row, field), get_args(get_type_hints(type(row))[field])
    if value not in known:
        raise DarkroomError(f"Its {title} '{row.name}' has {field}={value!r}.{_hint(str(value), known)}")


def _hint(value: str, known: Iterable[str]) -> str:
    near = nearest(value, known)
    return f" Did you mean '{near}'?" if near else f" There are {', '.join(known)}."
