"""The table of tokens: readable in both schemes, and the one source of every colour."""

from __future__ import annotations

import re

import pytest

from webui.ui import tokens
from webui.ui.tokens import COLOURS, PAIRS, SIZES, colour, contrast, stylesheet, var


def test_contrast_is_wcags() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.478, abs=0.001)
    assert contrast("#123456", "#123456") == 1


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair[0]} on {pair[1]}")
def test_pairs_can_be_read(pair: tuple[str, str, float], scheme: tokens.Scheme) -> None:
    text, ground, least = pair
    assert contrast(colour(text).of(scheme), colour(ground).of(scheme)) >= least


def test_every_text_colour_is_checked_on_the_page() -> None:
    checked = {text for text, _, _ in PAIRS}
    assert {"text", "muted", "accent", "on", "ok", "warn", "err", "edge", "fill"} <= checked


def test_the_sheet_holds_every_token_in_both_schemes() -> None:
    light, dark = stylesheet().split(":root.dk-dark")
    for row in COLOURS:
        assert f"--dk-{row.name}:{row.light};" in light
        assert f"--dk-{row.name}:{row.dark};" in dark
    for name, value in SIZES.items():
        assert f"--dk-{name}:{value};" in light


def test_colours_are_warm_and_well_formed() -> None:
    for row in COLOURS:
        for value in (row.dark, row.light):
            assert re.fullmatch(r"#[0-9a-f]{6}", value)
    for name in ("bg", "surface", "raised", "hover", "line"):
        red, _, blue = (int(colour(name).dark[i : i + 2], 16) for i in (1, 3, 5))
        assert red > blue, f"{name} is a cold grey"


def test_a_misspelt_token_fails() -> None:
    assert var("bg") == "var(--dk-bg)"
    with pytest.raises(StopIteration):
        var("backgruond")
