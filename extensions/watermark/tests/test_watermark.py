"""The text stands in its corner and nowhere else, the frame outside; the picture in between is untouched."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from webui.extend.testing import Studio


def made(studio: Studio, **options: Any) -> np.ndarray:
    extensions = {"watermark": {"enabled": True, **options}} if options else {}
    (shot,) = studio.make(steps=3, seed=4, extensions=extensions)
    return np.asarray(shot.image).astype(int)


@pytest.mark.parametrize("corner", ["bottom right", "bottom left", "top right", "top left"])
def test_the_text_stands_in_its_corner(studio: Studio, corner: str) -> None:
    plain, marked = made(studio), made(studio, text="me", corner=corner, size=0.1, opacity=1.0)
    rows, columns = np.nonzero(np.abs(marked - plain).max(2))
    assert len(rows) > 20
    vertical, horizontal = corner.split()
    assert (rows.min() > 64) if vertical == "bottom" else (rows.max() < 64)
    assert (columns.min() > 64) if horizontal == "right" else (columns.max() < 64)
    assert marked.min() < 30 < 225 < marked.max()


def test_half_of_it_is_seen_at_half_opacity(studio: Studio) -> None:
    plain, whole, half = made(studio), made(studio, text="me", opacity=1.0), made(studio, text="me", opacity=0.5)
    assert np.abs((half - plain) - (whole - plain) / 2).max() <= 2


def test_the_frame_lies_outside(studio: Studio) -> None:
    plain, framed = made(studio), made(studio, frame=6, frame_colour="black")
    assert framed.shape == (140, 140, 3) and framed[:6].max() == 0
    assert (framed[6:-6, 6:-6] == plain).all()


def test_a_text_longer_than_the_picture_is_cut_off_and_no_error(studio: Studio) -> None:
    assert made(studio, text="long " * 40, size=0.5).shape == (128, 128, 3)
