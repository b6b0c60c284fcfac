"""Fixtures of the engine's tests: a tiny checkpoint with random weights, made once, and an engine on it."""

import gc

import pytest
import torch

from tests.engine.helpers import Loop, load_model, running, write_checkpoint
from webui.core.request import GenerationRequest
from webui.plugins.loader import build_registry, load_plugins


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """So small models are no faster with more, and on a busy machine many times slower."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session", autouse=True)
def nothing_imported_is_garbage():
    """As in a worker: what was imported is not looked through each time that a model leaves."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory):
    """The folder of a tiny checkpoint named 'tiny'."""
    return write_checkpoint(tmp_path_factory.mktemp("checkpoints") / "tiny")


@pytest.fixture(scope="session")
def plugins():
    """The built-in plugins, as the worker loads them."""
    return load_plugins((), "worker")


@pytest.fixture(scope="session")
def registry(plugins):
    """The built-in rows."""
    return build_registry(plugins)


@pytest.fixture
def bench(tiny_checkpoint, registry, plugins):
    """A running engine on the tiny checkpoint."""
    with running(tiny_checkpoint.parent, registry, plugins) as made:
        yield made


@pytest.fixture(scope="session")
def ask():
    """Makes small requests; fields by name."""
    base = GenerationRequest(
        prompt="a red house", sampler_name="Euler", scheduler="Automatic", steps=4, width=64, height=64, seed=7,
        checkpoint="tiny",
    )  # fmt: skip
    return base.but


@pytest.fixture(scope="session")
def tiny(tiny_checkpoint):
    """The tiny model in memory."""
    return load_model(tiny_checkpoint)


@pytest.fixture
def loop(tiny, registry):
    """A loop on the tiny model."""
    return Loop(tiny, registry)
