"""Draws pictures side by side, each under its name."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

Cell = tuple[str, Image.Image | None, str]
"""(name, picture, what went wrong where there is none)."""

_GAP = 8
_GROUND, _INK, _TROUBLE = "white", "black", "firebrick"


def draw_sheet(cells: Sequence[Cell], columns: int, side: int) -> Image.Image:
    """All cells in rows of `columns`; a picture's longest side becomes `side` pixels, its shape stays."""
    columns = min(columns, len(cells))
    rows = -(-len(cells) // columns)
    font = ImageFont.load_default(max(10.0, side / 16))
    head = round(font.size * 1.6)
    sizes = [picture.size for _, picture, _ in cells if picture is not None] or [(1, 1)]
    shrink = side / max(max(size) for size in sizes)
    width, height = (max(1, round(shrink * max(size[axis] for size in sizes))) for axis in (0, 1))
    sheet = Image.new("RGB", (_GAP + columns * (width + _GAP), _GAP + rows * (head + height + _GAP)), _GROUND)
    draw = ImageDraw.Draw(sheet)
    for place, (name, picture, problem) in enumerate(cells):
        left = _GAP + place % columns * (width + _GAP)
        top = _GAP + place // columns * (head + height + _GAP)
        draw.text((left, top), name, _INK, font)
        if picture is None:
            letters = max(8, int(2 * width / font.size))
            draw.multiline_text((left, top + head), "\n".join(textwrap.wrap(problem, letters)), _TROUBLE, font)
            continue
        size = max(1, round(picture.width * shrink)), max(1, round(picture.height * shrink))
        sheet.paste(picture.convert("RGB").resize(size, Image.Resampling.LANCZOS), (left, top + head))
    return sheet
