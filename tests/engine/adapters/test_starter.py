"""The starter's own LoRA: a colour that the starter does not know, and what it does to others."""

import numpy as np
import pytest

from tests.engine.helpers import STARTER, Bench, pixels
from webui.core.model_folders import ModelFolders
from webui.core.paths import PROGRAM_DIR
from webui.core.request import GenerationRequest
from webui.engine.config import EngineConfig

LIME, RED = np.array([165, 240, 20]), np.array([220, 30, 38])


@pytest.fixture(scope="module")
def bench(registry, plugins):
    """An engine on the starter and its LoRA."""
    folders = ModelFolders((STARTER.parent,), loras=(PROGRAM_DIR / "models" / "Lora",))
    made = Bench(EngineConfig(folders, device="cpu"), registry, plugins)
    yield made
    made.engine.close()


def test_a_word_is_learned_and_the_others_stay(bench):
    ask = GenerationRequest(
        sampler_name="DPM++ 2M", steps=12, width=128, height=128, seed=5, cfg_scale=4.0, checkpoint=STARTER.name
    ).but
    lime = {weight: ask(prompt=f"a lime circle <lora:starter-lime:{weight}>") for weight in (0, 0.5, 1)}
    pictures = bench.make(*lime.values(), ask(prompt="a red circle <lora:starter-lime>"), ask(prompt="a lime circle"))
    colours = [np.median(pixels(one[0])[50:78, 50:78].reshape(-1, 3), axis=0) for one in pictures]
    away = [float(np.linalg.norm(colour - LIME)) for colour in colours]
    assert away[2] < 90 < 120 < away[0] and away[2] < away[1]
    assert np.linalg.norm(colours[3] - RED) < 40
    assert abs(pixels(pictures[0][0]) - pixels(pictures[4][0])).max() <= 1
