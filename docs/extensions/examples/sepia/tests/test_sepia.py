"""Red becomes brown, and half of it half."""

import numpy as np
import pytest

from webui.extend import DarkroomError
from webui.extend.testing import Studio


def middle(studio: Studio, strength: float) -> np.ndarray:
    (shot,) = studio.make(seed=3, extensions={"sepia": {"strength": strength}})
    return np.asarray(shot.image).astype(float)[60:68, 60:68].mean((0, 1))


def test_red_becomes_brown(studio: Studio) -> None:
    red, half, brown = (middle(studio, strength) for strength in (0.0, 0.5, 1.0))
    assert red[0] - red[1] > 100
    assert brown[0] > brown[1] > brown[2] and brown[0] - brown[2] < 100
    assert np.abs(half - (red + brown) / 2).max() <= 2


def test_more_than_all_is_refused(studio: Studio) -> None:
    with pytest.raises(DarkroomError, match="Strength"):
        studio.make(extensions={"sepia": {"strength": 1.5}})
