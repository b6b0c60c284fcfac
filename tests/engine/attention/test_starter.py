"""The starter's picture by each backend that serves on a CPU is the one by plain products, within 1/255."""

import pytest

from tests.engine.attention.test_backends import SERVING
from tests.engine.helpers import STARTER, Loop, load_model
from webui.plugins.loader import build_registry, load_plugins

STEPS = 12


@pytest.fixture(scope="module")
def starter():
    """The starter model."""
    return load_model(STARTER)


@pytest.fixture(scope="module")
def reference(starter, ask):
    """The picture by plain products."""
    return picture(starter, ask, "math")


def picture(model, ask, name, **asked):
    """A small picture of two, as integers (batch, height, width, 3), in fp32."""
    loop = Loop(model, build_registry(load_plugins((), "worker")))
    request = ask(
        prompt="a red circle above a blue square", cfg_scale=5, steps=STEPS, width=128, height=128, batch_size=2,
        checkpoint=STARTER.name, attention=name, **asked,
    )  # fmt: skip
    loop.add("one", request)
    (made,) = loop.run().values()
    return made


@pytest.mark.parametrize("name", [name for name in SERVING if name != "math"])
def test_the_picture_is_that_of_plain_products(starter, reference, ask, name):
    assert abs(picture(starter, ask, name) - reference).max() <= 1
    assert reference.std() > 20


@pytest.mark.parametrize(
    "asked",
    [{"token_merging_ratio": 0.5}, {"s_min_uncond": 3.0}, {"skip_early_cond": 0.1}, {"cfg_end": 0.75}],
    ids=lambda asked: next(iter(asked)),
)
def test_what_trades_the_picture_for_speed_leaves_a_red_circle_above_a_blue_square(starter, reference, ask, asked):
    made = picture(starter, ask, "math", **asked)
    assert abs(made - reference).max() > 1
    for pictures in (reference, made):
        red, blue = (pictures[..., channel] - pictures[..., [1, 2 - channel]].max(-1) > 60 for channel in (0, 2))
        top, bottom = slice(None, 64), slice(64, None)
        assert (red[:, top].mean((1, 2)) > 0.02).all() and (red[:, bottom].mean((1, 2)) < 0.02).all()
        assert (blue[:, bottom].mean((1, 2)) > 0.02).all() and (blue[:, top].mean((1, 2)) < 0.02).all()
