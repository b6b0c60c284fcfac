"""Fixtures of the tests of works on models."""

import pytest

from tests.engine import singles
from tests.engine.shelf import Shelf, Told


@pytest.fixture
def told():
    return Told()


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """made(kind, ...): a tiny model, each made once."""
    known = {}

    def make(kind="sd1", channels=4, seed=0, marks=()):
        key = kind, channels, seed, marks
        if key not in known:
            known[key] = singles.sd(kind, channels, seed, marks).tensors()
        return known[key]

    return make


@pytest.fixture
def shelf(tmp_path):
    return Shelf(tmp_path / "models")
