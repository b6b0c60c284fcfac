"""Styles: A1111's styles.csv read and changed without losing what else stands in it; put on a prompt, taken off it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

PLACE = "{prompt}"
"""In a style's text: where the prompt goes. A text without it is put behind the prompt."""
COLUMNS = ("name", "prompt", "negative_prompt")
MAX_BYTES = 5_000_000
"""Of a file with styles; a larger one is something else."""
MAX_TEXT = 20_000
MAX_NAME = 200
BOM = "\ufeff"
"""At a file's start: that it is in UTF-8."""
_OLD = "text"
"""The oldest files' name of the column prompt."""


@dataclass(frozen=True, slots=True)
class Style:
    """A style as it was read. file: the name of the file that it comes from, "" for none yet."""

    name: str
    prompt: str = ""
    negative_prompt: str = ""
    file: str = ""


# On prompts


def apply(prompt: str, styles: Iterable[str], longest: int = MAX_TEXT) -> str | None:
    """The prompt with the styles' texts on it, in order, as A1111 does it; None where it becomes longer than that."""
    for style in styles:
        count = style.count(PLACE)
        if len(style) - count * len(PLACE) + max(count, 1) * len(prompt) > longest:
            return None
        prompt = _merged(prompt, style)
    return prompt if len(prompt) <= longest else None


def _merged(prompt: str, style: str) -> str:
    if PLACE in style:
        return style.replace(PLACE, prompt)
    return ", ".join(part for part in (prompt.strip(), style.strip()) if part)


def extract(prompt: str, negative_prompt: str, styles: Sequence[Style]) -> tuple[list[str], str, str]:
    """(names of the styles that were put on these texts, the texts without them), as A1111 infers them.

    Only what put on again gives the very same texts is taken off.
    """
    names: list[str] = []
    texts = prompt, negative_prompt
    left = [style for style in styles if style.prompt.strip() or style.negative_prompt.strip()]
    while found := next(((style, bare) for style in left if (bare := _without(style, *texts))), None):
        style, texts = found
        left.remove(style)
        names.insert(0, style.name)
    return names, *texts


def _without(style: Style, prompt: str, negative_prompt: str) -> tuple[str, str] | None:
    pairs = ((style.prompt, prompt), (style.negative_prompt, negative_prompt))
    bare = [_bare(mark, text) for mark, text in pairs]
    if any(text is None or _merged(text, mark) != whole for text, (mark, whole) in zip(bare, pairs, strict=True)):
        return None
    return str(bare[0]), str(bare[1])


def _bare(style: str, text: str) -> str | None:
    """A text without a style's; None where the style is not on it."""
    if PLACE in style:
        before = style.partition(PLACE)[0]
        size = (len(text) - len(style.replace(PLACE, ""))) // style.count(PLACE)
        fits = size >= 0 and text.startswith(before)
        return text[len(before) : len(before) + size] if fits else None
    style = style.strip()
    if not style:
        return text
    if text == style:
        return ""
    return text.removesuffix(f", {style}") if text.endswith(f", {style}") else None


# On files


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of a file: its cells, and the lines that it takes there."""

    cells: list[str]
    lines: list[str]


class StyleText:
    """The text of a file with styles. Changes leave every row that they are not about as it stands, byte for byte.

    Rows that A1111 passes (comments, those without a name) and columns that it does not know are left alone too.
    Raises ValueError, with the end of a sentence, for what is no such file.
    """

    def __init__(self, text: str = "", file: str = "") -> None:
        self._file = file
        self._bom = text.startswith(BOM)
        text = text.removeprefix(BOM)
        self._newline = "\r\n" if "\r\n" in text else "\n"
        self._rows = list(_rows(text))
        if not any(cell.strip() for row in self._rows for cell in row.cells):
            self._rows = [_Row(list(COLUMNS), [",".join(COLUMNS) + self._newline])]
            self._bom = self._bom or not text
        self._columns = {name.strip(): at for at, name in reversed(list(enumerate(self._rows[0].cells)))}
        if "name" not in self._columns:
            raise ValueError("its first line names no column 'name'")

    @property
    def text(self) -> str:
        """The whole file."""
        return (BOM if self._bom else "") + "".join(line for row in self._rows for line in row.lines)

    @property
    def styles(self) -> list[Style]:
        """Its styles; of several with one name the last counts, at the first one's place."""
        found: dict[str, Style] = {}
        for row in self._rows[1:]:
            style = self._style(row)
            if style is not None:
                found[style.name] = style
        return list(found.values())

    def put(self, style: Style) -> None:
        """Write a style, in place of the last with its name or at the end."""
        self._need("prompt" if _OLD not in self._columns else _OLD, "negative_prompt")
        same = [at for at, row in enumerate(self._rows) if at and self._name(row) == style.name]
        cells = list(self._rows[same[-1]].cells) if same else []
        cells += [""] * (len(self._rows[0].cells) - len(cells))
        prompt = "prompt" if "prompt" in self._columns else _OLD
        values = {"name": style.name, prompt: style.prompt, "negative_prompt": style.negative_prompt}
        for name, value in values.items():
            cells[self._columns[name]] = value
        row = _Row(cells, [_line(cells, self._newline)])
        if same:
            self._rows[same[-1]] = row
        else:
            self._end_last_line()
            self._rows.append(row)

    def remove(self, name: str) -> bool:
        """Take out every row of that name; whether there was one."""
        left = [row for at, row in enumerate(self._rows) if not at or self._name(row) != name]
        changed = len(left) != len(self._rows)
        self._rows = left
        return changed

    def _need(self, *columns: str) -> None:
        """Add columns to the first line; the rows may be shorter."""
        missing = [name for name in columns if name not in self._columns]
        if not missing:
            return
        cells = [*self._rows[0].cells, *missing]
        self._columns |= {name: len(cells) - len(missing) + at for at, name in enumerate(missing)}
        self._rows[0] = _Row(cells, [_line(cells, self._newline)])

    def _end_last_line(self) -> None:
        last = self._rows[-1]
        if last.lines and not last.lines[-1].endswith(("\n", "\r")):
            last.lines[-1] += self._newline

    def _name(self, row: _Row) -> str:
        return self._cell(row, "name").strip()

    def _cell(self, row: _Row, column: str) -> str:
        at = self._columns.get(column, -1)
        return row.cells[at] if 0 <= at < len(row.cells) else ""

    def _style(self, row: _Row) -> Style | None:
        name = self._name(row)
        if not name or name.startswith("#"):
            return None
        prompt = self._cell(row, "prompt" if "prompt" in self._columns else _OLD)
        return Style(name, prompt, self._cell(row, "negative_prompt"), self._file)


def _rows(text: str) -> Iterator[_Row]:
    """The rows with the lines that each takes. Raises ValueError."""
    lines = io.StringIO(text, newline="").readlines()
    reader = csv.reader(iter(lines), skipinitialspace=True)
    begin = 0
    try:
        for cells in reader:
            yield _Row(cells, lines[begin : reader.line_num])
            begin = reader.line_num
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num}: {error}") from error


def _line(cells: Sequence[str], newline: str) -> str:
    out = io.StringIO()
    # Spaces in front of a cell are passed over where it has no quotes, and the writer forgets some ends of lines.
    spaced = any(cell[:1] == " " or "\r" in cell for cell in cells)
    quoting: Literal[0, 1] = csv.QUOTE_ALL if spaced else csv.QUOTE_MINIMAL
    csv.writer(out, lineterminator=newline, quoting=quoting).writerow(cells)
    return out.getvalue()


def by_name(files: Iterable[Sequence[Style]]) -> Mapping[str, Style]:
    """The styles of several files by name; of several with one name the last counts, as in A1111."""
    return {style.name: style for styles in files for style in styles}
