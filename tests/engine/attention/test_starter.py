"""The starter's picture by each backend that serves on a CPU is the one by plain products, within 1/255."""

import pytest

from tests.engine.attention.test_backends import SERVING
from tests.engine.helpers import STARTER, Loop, load_model
from webui.plugins.manager import build_registry, load_plugins

STEPS = 12


@pytest.fixture(scope="module")
def starter():
    """The starter model."""
    return load_model(STARTER)


@pytest.fixture(scope="module")
def reference(starter, ask):
    """The picture by plain products."""
    return picture(starter, ask, "math")


def picture(model, ask, name):
    """A small picture of two, as integers (batch, height, width, 3), in fp32."""
    loop = Loop(model, build_registry(load_plugins((), "worker")))
    request = ask(
        prompt="a red circle above a blue square", cfg_scale=5, steps=STEPS, width=128, height=128, batch_size=2,
        checkpoint=STARTER.name, attention=name,
    )  # fmt: skip
    loop.add("one", request)
    (made,) = loop.run().values()
    return made


@pytest.mark.parametrize("name", [name for name in SERVING if name != "math"])
def test_the_picture_is_that_of_plain_products(starter, reference, ask, name):
    assert abs(picture(starter, ask, name) - reference).max() <= 1
    assert reference.std() > 20
