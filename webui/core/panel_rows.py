"""From the rows that an extension declares to its panel; what would not work is refused with a sentence."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, fields, replace
from types import MappingProxyType
from typing import Any

from webui.core.errors import DarkroomError, InvalidField, nearest
from webui.core.field import OF_EXTENSIONS, Field
from webui.core.panel_texts import KEY, make_key
from webui.core.panels import ENABLED, Panel

MOST_FIELDS = 200
"""Of one extension."""
MOST_TEXT = 20_000
"""Characters of a text's value."""
USUAL_TEXT = 2000
"""The same where its row says nothing."""
LARGEST_INT = 2**53
"""Larger whole numbers are not safe in a browser."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_ALWAYS = ("name", "kind", "label", "help", "default", "infotext")
_OF_KIND: Mapping[str, tuple[str, ...]] = {
    "int": ("minimum", "maximum", "slider", "step", "multiple"),
    "float": ("minimum", "maximum", "slider", "step"),
    "text": ("maximum",),
    "choice": ("choices",),
    "bool": (),
}
"""What a row of this kind may say besides. Groups, flags and abilities are of Darkroom's own fields alone."""


def make_panel(
    name: str, title: str, rows: Sequence[Field], help_: str = "", is_taken: Callable[[str], bool] = lambda key: False
) -> Panel:
    """The panel of the extension `name` with these rows. is_taken: whether a key of infotexts is another's.

    Raises DarkroomError with a sentence for the extension's author.
    """
    if len(rows) > MOST_FIELDS:
        raise DarkroomError(f"Its fields() returns {len(rows)} fields; at most {MOST_FIELDS} are taken.")
    found: dict[str, Field] = {}
    for row in rows:
        try:
            _check(row)
            own = _completed(row)
        except (DarkroomError, TypeError, ValueError) as error:
            said = error.detail if isinstance(error, DarkroomError) else f"It cannot be read: {error}."
            raise DarkroomError(f"Its field '{str(row.name)[:60]}': {said}") from error
        if row.name in found:
            raise DarkroomError(f"Two of its fields are called '{row.name}'.")
        taken = {(other.infotext or "").casefold() for other in found.values()}
        keys = [row.infotext] if row.infotext else [make_key(title, row.label), make_key(name, row.name)]
        key = next((key for key in keys if key and key.casefold() not in taken and not is_taken(key)), "")
        if not key:
            raise DarkroomError(f"Its field '{row.name}': The infotext '{keys[-1]}' means something else already.")
        found[row.name] = replace(own, name=f"{OF_EXTENSIONS}{name}.{row.name}", infotext=key)
    return Panel(name, title, MappingProxyType(found), help_)


def _check(row: Field) -> None:
    """Raise DarkroomError for a row that no page and no request could make sense of."""
    if not isinstance(row.name, str) or not _NAME.fullmatch(row.name):
        raise DarkroomError("A name is of small letters, digits and _, and begins with a letter.")
    if row.kind not in _OF_KIND:
        near = nearest(str(row.kind), _OF_KIND)
        raise DarkroomError(f"There is no kind '{str(row.kind)[:40]}'." + (f" Did you mean '{near}'?" if near else ""))
    for attribute in fields(Field):
        allowed = attribute.name in (*_ALWAYS, *_OF_KIND[row.kind])
        if not allowed and attribute.default is not MISSING and getattr(row, attribute.name) != attribute.default:
            raise DarkroomError(
                f"It says {attribute.name}, which the field of an extension of kind {row.kind} has not."
            )
    if not all(isinstance(text, str) and text.strip() for text in (row.label, row.help)):
        raise DarkroomError("It needs a label and a help, which are texts.")
    if row.infotext is not None and not (isinstance(row.infotext, str) and KEY.fullmatch(row.infotext)):
        raise DarkroomError("Its infotext must be 2 to 61 letters, digits, spaces and signs of -/.+_ in all.")
    if row.kind in ("int", "float"):
        _check_limits(row)
    if row.kind == "choice":
        _check_choices(row.choices)
    if row.kind == "text" and row.maximum is not None and not 1 <= row.maximum <= MOST_TEXT:
        raise DarkroomError(f"Its maximum, in characters, must be from 1 to {MOST_TEXT:,}.")
    if row.name == ENABLED and (row.kind != "bool" or row.default is not False):
        raise DarkroomError("It switches the extension on, so it must be of kind bool, and False by default.")


def _check_limits(row: Field) -> None:
    limits = (row.minimum, row.maximum)
    if (
        not all(_is_number(limit) and abs(limit) <= LARGEST_INT for limit in limits if limit is not None)
        or None in limits
    ):
        raise DarkroomError("A number needs a minimum and a maximum, from -2^53 to 2^53.")
    low, high = float(row.minimum or 0), float(row.maximum or 0)
    if not low < high:
        raise DarkroomError(f"Its minimum {low:g} must be below its maximum {high:g}.")
    if row.step is not None and not (_is_number(row.step) and 0 < row.step <= high - low):
        raise DarkroomError("Its step must be a number above 0 that fits between minimum and maximum.")
    if row.multiple is not None and not (isinstance(row.multiple, int) and row.multiple > 0):
        raise DarkroomError("Its multiple must be a whole number above 0.")
    if row.slider is not None:
        first, last = row.slider
        if not (_is_number(first) and _is_number(last) and low <= first < last <= high) or row.step is None:
            raise DarkroomError("Its slider must lie between minimum and maximum, and have a step.")


def _check_choices(choices: Iterable[Any]) -> None:
    names = list(choices)
    right = all(isinstance(name, str) and name and name == name.strip() and len(name) <= 200 for name in names)
    if isinstance(choices, str) or not names or not right:
        raise DarkroomError("Its choices must be a tuple of texts, without spaces at their ends.")
    if len({name.casefold() for name in names}) < len(names):
        raise DarkroomError("Two of its choices are the same but for capitals.")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _completed(row: Field) -> Field:
    """The row with what it need not say, and its default as it is kept. Raises DarkroomError."""
    if row.kind == "text" and row.maximum is None:
        row = replace(row, maximum=USUAL_TEXT)
    row = replace(row, choices=tuple(row.choices))
    try:
        return replace(row, default=row.check(row.default))
    except InvalidField as error:
        raise DarkroomError(f"Its default is none that it takes. {error.detail}") from error
