"""A sampler that makes the pictures of a batch one after the other, in a lane of the loop."""

import pytest
import torch

from tests.engine.helpers import Loop, load_model, write_checkpoint
from webui.engine.hooks import LaneHooks

HANDS_OVER = {"refiner_checkpoint": "other", "refiner_switch_at": 0.5, "abilities": "cfg,refiner"}


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """Another model, to refine with."""
    return load_model(write_checkpoint(tmp_path_factory.mktemp("refiner") / "other", seed=5))


@pytest.mark.parametrize(
    "asked",
    [{}, HANDS_OVER, {"cfg_end": 0.5}, {"skip_early_cond": 0.4}, {"s_min_uncond": 3.0}],
    ids=["plain", "with a refiner", "guided at first", "guided at last", "guided now and then"],
)
def test_dpm_adaptive_makes_each_picture_as_it_would_alone(tiny, other, registry, ask, asked):
    refiner = other if asked is HANDS_OVER else None
    batch = Loop(tiny, registry)
    batch.add("both", ask(sampler_name="DPM adaptive", steps=4, batch_size=2, seed=5, **asked), refiner=refiner)
    pictures = batch.run()["both"]
    # At most two rows a forward pass, one picture with and without the prompt.
    assert set(batch.rows) <= {1, 2} and len(pictures) == 2
    assert batch.steps["both"] == sorted(batch.steps["both"])
    for place in (0, 1):
        alone = Loop(tiny, registry)
        alone.add("one", ask(sampler_name="DPM adaptive", steps=4, seed=5 + place, **asked), refiner=refiner)
        assert abs(alone.run()["one"][0] - pictures[place]).max() <= 1


def test_a_stopped_batch_has_the_pictures_that_were_begun(tiny, registry, ask):
    loop = Loop(tiny, registry)
    lane = loop.add("three", ask(sampler_name="DPM adaptive", steps=6, batch_size=3))
    loop.turn(4)
    assert lane.newest.shape[0] == len(lane.denoised) == 1
    while lane.ask.place.index == 0:
        loop.turn()
    loop.turn()
    first, second = lane.denoised
    assert torch.equal(lane.newest[0], second) and not torch.equal(first, second)
    lane.stop()
    assert torch.equal(loop.ends["three"].latents, torch.stack([first, second]))


def test_hooks_are_given_each_picture_alone_and_once_a_step(tiny, registry, ask):
    told = []

    class Hooks(LaneHooks):
        def before_step(self, latents, step, sigma, place=None):
            told.append(("before", len(latents), step))
            return latents

        def after_step(self, latents, step, sigma, place=None):
            told.append(("after", len(latents), step))
            return latents + 1.0 if step == 3 else latents

    loop = Loop(tiny, registry, hooks=Hooks())
    loop.add("both", ask(sampler_name="DPM adaptive", steps=4, batch_size=2, seed=5))
    pictures = loop.run()["both"]
    assert {count for _, count, _ in told} == {1}
    assert sorted(step for what, _, step in told if what == "before") == [0, 1, 2, 3]
    assert sorted(step for what, _, step in told if what == "after") == [0, 1, 2, 3]
    plain = Loop(tiny, registry)
    plain.add("both", ask(sampler_name="DPM adaptive", steps=4, batch_size=2, seed=5))
    others = plain.run()["both"]
    assert abs(pictures[0] - others[0]).max() <= 1, "the last step of the second picture is not the first's"
    assert abs(pictures[1] - others[1]).max() > 1
