"""Steps without classifier-free guidance: which they are, that they cost half, and what comes of them."""

import pytest

from tests.engine.helpers import Loop
from webui.engine.guidance import Guidance


@pytest.fixture
def made(tiny, registry, ask):
    """Rows of each forward pass, and the picture, of a request of six steps."""

    def make(**asked):
        loop = Loop(tiny, registry)
        loop.add("one", ask(**{"sampler_name": "Euler", "steps": 6, "cfg_scale": 7.0, "seed": 3} | asked))
        picture = loop.run()["one"][0]
        return loop.rows, picture

    return make


def test_guidance_ends_and_begins_after_a_share_of_the_steps(made):
    assert made()[0] == [2] * 6
    assert made(cfg_end=0.5)[0] == [2, 2, 2, 1, 1, 1]
    # As A1111 counts, the step at that share is left out too.
    assert made(skip_early_cond=1 / 3)[0] == [1, 1, 1, 2, 2, 2]
    assert made(skip_early_cond=0.2, cfg_end=0.6)[0] == [1, 1, 2, 2, 1, 1]


def test_below_a_noise_level_every_other_question_or_each_goes_without(made):
    assert made(s_min_uncond=15.0)[0] == [2, 1, 2, 1, 2, 1]
    assert made(s_min_uncond=15.0, s_min_uncond_all=True)[0] == [1] * 6
    rows = made(s_min_uncond=1.0, s_min_uncond_all=True)[0]
    assert rows[0] == 2 and rows[-1] == 1 and rows == sorted(rows, reverse=True)
    assert made(sampler_name="Heun", s_min_uncond=15.0)[0] == [2, 1] * 5 + [2], "questions count, not steps"


def test_without_any_step_of_guidance_the_picture_is_the_prompts_alone(made):
    plain, alone = made()[1], made(cfg_scale=1.0)[1]
    for asked in ({"skip_early_cond": 1.0}, {"cfg_end": 0.0}, {"s_min_uncond": 15.0, "s_min_uncond_all": True}):
        assert abs(made(**asked)[1] - alone).max() <= 1
    assert abs(plain - alone).max() > 8


def test_two_jobs_share_a_pass_whichever_of_them_is_guided(tiny, registry, ask):
    shared = {"sampler_name": "Euler", "steps": 4, "cfg_scale": 7.0}
    loop = Loop(tiny, registry)
    loop.add("whole", ask(seed=1, **shared))
    loop.add("half", ask(seed=2, cfg_end=0.5, **shared))
    pictures = loop.run()
    assert loop.rows == [4, 4, 3, 3]
    alone = Loop(tiny, registry)
    alone.add("half", ask(seed=2, cfg_end=0.5, **shared))
    assert abs(alone.run()["half"] - pictures["half"]).max() <= 1


def test_nothing_is_left_out_by_default():
    plain = Guidance(7.0)
    assert all(plain.is_asked(sigma, step, 10, step) for step, sigma in enumerate([14.6, 5.0, 1.0, 0.1, 0.0]))
