"""Loops that compile, with a backend that takes no compiler."""

from functools import partial

import pytest
import torch

from tests.engine.compiling.counting import Counting
from tests.engine.helpers import Loop, load_model
from webui.engine.attention.apply import apply
from webui.engine.compiling.apply import Compiling


@pytest.fixture
def counting():
    """A backend."""
    return Counting()


@pytest.fixture
def compiled_loop(registry, counting):
    """Makes a loop that compiles. At the end what torch has compiled is forgotten, so that it is nothing to others."""
    made = []

    def loop_of(model, backend=counting):
        loop = Loop(model, registry)
        loop.denoiser._attention = loop.compiling = Compiling(partial(apply, loop.backends), backend)
        made.append(loop.compiling)
        return loop

    yield loop_of
    counting.go_on.set()
    for compiling in made:
        compiling.close()
        # Torch does not survive that its tables are emptied while it compiles.
        assert compiling.wait(60)
    torch.compiler.reset()


@pytest.fixture
def own(tiny_checkpoint):
    """A tiny model that no other test shares."""
    return load_model(tiny_checkpoint)
