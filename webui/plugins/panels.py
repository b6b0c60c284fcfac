"""The panels of an extension's fields and of its settings, made of its rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from webui.core.command_line import OF_GENERATE
from webui.core.errors import DarkroomError
from webui.core.field import Field
from webui.core.flags import BY_NAME
from webui.core.hook_rows import Setting
from webui.core.infotext import is_taken
from webui.core.panel_rows import make_panel
from webui.core.panels import Panel
from webui.plugins.manifest import Manifest

_OF_EVERY_COMMAND = ("--help", "--json")


def panel_of(rows: Sequence[Field], extension: Manifest, others: Iterable[Panel]) -> Panel:
    """The panel of an extension with these rows beside those of the others; its keys and its flags are its own.

    Raises DarkroomError.
    """
    known = [row for panel in others for row in panel.rows.values()]
    keys = {(row.infotext or "").casefold() for row in known}
    panel = make_panel(
        extension.name,
        extension.title,
        rows,
        extension.description,
        lambda key: key.casefold() in keys or is_taken(key),
    )
    flags = {*_OF_EVERY_COMMAND, *OF_GENERATE, *BY_NAME, *(flag for row in known for flag in row.spellings)}
    for name, row in panel.rows.items():
        taken = flags.intersection(row.spellings)
        if taken:
            raise DarkroomError(f"Its field '{name}' would have the flag {min(taken)}, which is there already.")
        flags.update(row.spellings)
    return panel


def settings_of(rows: Sequence[Setting], extension: Manifest) -> Panel:
    """The panel of what the owner sets for an extension. Raises DarkroomError."""
    for row in rows:
        if row.secret and (row.kind != "text" or row.default != ""):
            raise DarkroomError(f"Its setting '{row.name}' is secret, so it must be of kind text, and '' by default.")
    return make_panel(extension.name, extension.title, rows, extension.description)
