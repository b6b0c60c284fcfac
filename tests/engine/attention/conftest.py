"""Fixtures of the attention backends' tests."""

import pytest
import torch

from webui.engine.attention.backends import Backends
from webui.plugins.resolve import resolve

CPU = torch.device("cpu")


@pytest.fixture
def backends(registry):
    """All backends, none tried yet."""
    return Backends(registry.attention, resolve)
