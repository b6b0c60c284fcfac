"""The Gradio theme: nothing but tokens, and no request that leaves the machine."""

from __future__ import annotations

import re

from webui.ui.theme import build_theme
from webui.ui.tokens import COLOURS, SIZES


def test_the_theme_points_at_tokens_that_exist() -> None:
    css = build_theme()._get_theme_css()
    used = set(re.findall(r"var\(--dk-([\w-]+)\)", css))
    assert {"bg", "text", "fill", "raised"} <= used
    assert used <= {row.name for row in COLOURS} | set(SIZES)


def test_both_of_gradios_schemes_say_the_same() -> None:
    css = build_theme()._get_theme_css()
    light, dark = css.split(".dark {", 1)
    for name in ("body-background-fill", "input-background-fill", "button-primary-background-fill", "slider-color"):
        values = [re.search(rf"--{name}: ([^;]+);", part) for part in (light, dark)]
        assert values[0] and values[1] and values[0][1] == values[1][1]


def test_fonts_come_from_this_machine() -> None:
    theme = build_theme()
    assert "http" not in theme._get_theme_css().replace("http://www.w3.org/2000/svg", "")
    assert not [sheet for sheet in theme._stylesheets if sheet.startswith("http")]
