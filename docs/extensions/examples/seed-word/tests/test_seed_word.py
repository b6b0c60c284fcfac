"""The seed chooses, the picture shows it, and the picture's text says both."""

import numpy as np

from webui.extend.testing import Studio


def test_the_seed_chooses_the_word(studio: Studio) -> None:
    asked = {"prompt": "a WORD circle on a white background", "extensions": {"seed-word": {"words": "red, blue"}}}
    shots = studio.make(**asked, seed=10, n_iter=2)
    middles = [np.asarray(shot.image).astype(int)[60:68, 60:68].mean((0, 1)) for shot in shots]
    assert middles[0][0] > middles[0][2] + 50, "seed 10 is even: red"
    assert middles[1][2] > middles[1][0] + 50, "seed 11 is odd: blue"
    assert shots[1].infotext.startswith("a blue circle on a white background\n")
    assert "WORD" in shots[1].infotext, "the template stands beside it"


def test_without_words_the_prompt_stays(studio: Studio) -> None:
    (shot,) = studio.make(prompt="a WORD", steps=1)
    assert shot.infotext.startswith("a WORD\n")
