"""The starter's own embedding: its name draws what it was trained on, a purple circle, and goes with other words."""

import numpy as np
import pytest

from tests.engine.helpers import STARTER, Bench, pixels
from webui.core.model_folders import ModelFolders
from webui.core.paths import PROGRAM_DIR
from webui.core.request import GenerationRequest
from webui.engine.config import EngineConfig

PURPLE, RED = np.array([130, 50, 175]), np.array([220, 30, 38])


@pytest.fixture(scope="module")
def bench(registry, plugins):
    """An engine on the starter and its embedding."""
    folders = ModelFolders((STARTER.parent,), embeddings=(PROGRAM_DIR / "models" / "embeddings",))
    made = Bench(EngineConfig(folders, device="cpu"), registry, plugins)
    yield made
    made.engine.close()


def colour(picture, x, y):
    """The colour of a square of 24 pixels around a place."""
    return np.median(pixels(picture)[y - 12 : y + 12, x - 12 : x + 12].reshape(-1, 3), axis=0)


def away(picture, wanted, x=64, y=64):
    return float(np.linalg.norm(colour(picture, x, y) - wanted))


def test_its_name_draws_what_it_was_trained_on(bench):
    ask = GenerationRequest(
        sampler_name="DPM++ 2M", steps=12, width=128, height=128, seed=5, cfg_scale=4.0, checkpoint=STARTER.name
    ).but
    alone, in_red, spelled, green = (
        one[0]
        for one in bench.make(
            ask(prompt="a starter-plum"),
            ask(prompt="a Starter-Plum on a red background"),
            ask(prompt="a starter plum"),
            ask(prompt="a green circle"),
        )
    )
    assert away(alone, PURPLE) < 30 and away(in_red, PURPLE) < 40 and away(in_red, RED, 12, 12) < 40
    # Other tokens are other words, and other pictures have nothing of it.
    assert away(spelled, PURPLE) > 90 and away(green, PURPLE) > 90
    # A circle: what lies in the corners of its square is background.
    assert all(away(alone, PURPLE, x, y) > 90 for x in (14, 114) for y in (14, 114))
