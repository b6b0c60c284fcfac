"""Write docs/fields.md from the rows of core/fields.py: `python -m tools.fields_page`."""

from __future__ import annotations

from webui.core.fields import ROWS, Field
from webui.core.groups import FLAT_ROWS
from webui.core.paths import PROGRAM_DIR

PAGE = PROGRAM_DIR / "docs" / "fields.md"

_HEAD = """# The fields of a request

Made from the rows in `webui/core/fields.py` by `python -m tools.fields_page`; change the rows, not this page.
One name counts everywhere: in the page, in `POST /api/v1/jobs`, on the command line and in the picture's own JSON.
Extensions add fields of their own ([extensions.md](extensions.md#fields)).
The column *Infotext* is the key in the parameters text that A1111 and its kin read; prompts stand above that line,
and width and height share the key *Size*.
The fields below `enable_hr` are those of the group `hires` ([hires.md](hires.md)).

| Name | Label | Accepted | Default | On the command line | Infotext | What it does |
|---|---|---|---|---|---|---|
"""
_SIZE = ("width", "height")


def fields_page() -> str:
    """The whole page as Markdown."""
    return _HEAD + "".join(_row(row) for row in (*ROWS, *FLAT_ROWS.values()))


def _row(row: Field) -> str:
    flags = ", ".join(f"`{flag}`" for flag in row.spellings)
    infotext = row.infotext or ("Size" if row.name in _SIZE else "")
    default = f"`{row.default}`" if row.default not in ("", ()) else "empty"
    cells = (f"`{row.name}`", row.label, _accepted(row), default, flags, infotext, row.help)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def _accepted(row: Field) -> str:
    if row.kind == "bool":
        return "true or false"
    if row.choices:
        return f"one of {', '.join(row.choices)}"
    if row.kind == "names":
        return f"names of the catalogue {row.catalogue}"
    if row.kind == "choice":
        return f"a name of the catalogue {row.catalogue}"
    if row.kind == "text":
        return f"text, up to {row.maximum:,.0f} characters"
    kind = "whole number" if row.kind == "int" else "number"
    multiple = f", a multiple of {row.multiple}" if row.multiple else ""
    return f"{kind} from {row.minimum:,g} to {row.maximum:,.10g}{multiple}"


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(fields_page(), encoding="utf-8")
