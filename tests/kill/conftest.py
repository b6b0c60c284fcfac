"""The tiny checkpoint, written once."""

from __future__ import annotations

import pytest

from tests.kill.real_worker import Tiny


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """A checkpoint that the real engine runs in milliseconds a step."""
    return Tiny(tmp_path_factory.mktemp("tiny"))
