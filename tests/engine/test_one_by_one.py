"""A sampler that makes the pictures of a batch one after the other, in a lane of the loop."""

from tests.engine.helpers import Loop


def test_dpm_adaptive_makes_each_picture_as_it_would_alone(tiny, registry, ask):
    batch = Loop(tiny, registry)
    batch.add("both", ask(sampler_name="DPM adaptive", steps=4, batch_size=2, seed=5))
    pictures = batch.run()["both"]
    # Two rows a forward pass, one picture with and without the prompt.
    assert set(batch.rows) == {2} and len(pictures) == 2
    assert batch.steps["both"] == sorted(batch.steps["both"])
    for place in (0, 1):
        alone = Loop(tiny, registry)
        alone.add("one", ask(sampler_name="DPM adaptive", steps=4, seed=5 + place))
        assert abs(alone.run()["one"][0] - pictures[place]).max() <= 1


def test_a_stopped_batch_has_all_its_places(tiny, registry, ask):
    loop = Loop(tiny, registry)
    lane = loop.add("both", ask(sampler_name="DPM adaptive", steps=4, batch_size=2))
    loop.turn(4)
    lane.stop()
    assert loop.ends["both"].latents.shape[0] == 2
