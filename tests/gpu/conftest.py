"""What the tests on a GPU share; without one each says why it is skipped. `launch.py test --gpu` runs them alone."""

from pathlib import Path

import pytest
import torch

from webui.engine.attention.backends import Backends
from webui.plugins.loader import build_registry, load_plugins
from webui.plugins.resolve import resolve

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items):
    """All that lies here needs a CUDA device."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("gpu")
            if not torch.cuda.is_available():
                item.add_marker(pytest.mark.skip(reason="there is no CUDA device, or this torch has no CUDA"))


@pytest.fixture(scope="session")
def cuda():
    """The device."""
    return torch.device("cuda:0")


@pytest.fixture(scope="session")
def registry():
    """The built-in rows."""
    return build_registry(load_plugins((), "worker"))


@pytest.fixture(scope="session")
def backends(registry):
    """All backends; each is tried once."""
    return Backends(registry.attention, resolve)
