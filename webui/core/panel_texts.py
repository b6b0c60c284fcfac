"""What infotexts say of extensions: a key for each field, written where the value is not the default, and read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from webui.core.errors import InvalidField
from webui.core.field import Field
from webui.core.infotext_values import quote, read_value, write_value
from webui.core.panels import Extensions, Panels, Value

KEY = re.compile(r"\w[\w \-/.+]{0,59}[\w\-/.+]")
"""What the line of parameters can have for a key."""

_STRANGE = re.compile(r"[^\w \-/.+]+")
_LONGEST = 61


def make_key(*words: str) -> str:
    """A key of these words, as "Title label"; empty where nothing of them can stand in one."""
    said = " ".join(_STRANGE.sub(" ", " ".join(words)).split())
    key = said.lstrip("-/.+ ")[:_LONGEST].rstrip()
    return key if KEY.fullmatch(key) else ""


def write_panels(extensions: Extensions, panels: Panels) -> dict[str, str]:
    """Keys, and their values as they stand in the line: of each extension that is on, what is no default."""
    said: dict[str, str] = {}
    for name, values in extensions.items():
        rows = panels[name].rows if name in panels else {}
        for field, row in rows.items():
            value = values.get(field, row.default)
            if row.infotext and value != row.default:
                # An empty text would look like none.
                said[row.infotext] = write_value(value) or quote("")
    return said


def read_panels(pairs: Mapping[str, str], panels: Panels) -> tuple[dict[str, Any], dict[str, str]]:
    """(values by extension and field, the pairs that are nobody's); an extension of which nothing is said is None.

    A value that its field does not take is nobody's either.
    """
    rows = {
        (row.infotext or "").casefold(): (name, field)
        for name, panel in panels.items()
        for field, row in panel.rows.items()
    }
    found: dict[str, dict[str, Value] | None] = dict.fromkeys(panels)
    rest: dict[str, str] = {}
    for key, text in pairs.items():
        name, field = rows.get(key.casefold(), ("", ""))
        if not name or not _take(panels[name].rows[field], text, found, name, field):
            rest[key] = text
    return found, rest


def _take(row: Field, text: str, found: dict[str, dict[str, Value] | None], name: str, field: str) -> bool:
    try:
        value = row.check(read_value(row.kind, text))
    except InvalidField:
        return False
    found[name] = {**(found[name] or {}), field: value}
    return True
