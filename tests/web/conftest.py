"""Servers that the web's tests share: one for each way of being open."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import SHAM_NAME, make_sham
from tests.web.helpers import Site, serving
from webui.web.identity import Sharing


@pytest.fixture(scope="session")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Nothing is shared."""
    yield from _site(tmp_path_factory, "alone", Sharing())


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A public address, where anybody may come."""
    yield from _site(tmp_path_factory, "shared", Sharing(share=True))


@pytest.fixture(scope="session")
def accounts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Only accounts come in."""
    yield from _site(tmp_path_factory, "accounts", Sharing(listen=True, accounts={"ann": "secret", "bob": "other"}))


def _site(factory: pytest.TempPathFactory, name: str, sharing: Sharing) -> Iterator[Site]:
    home = factory.mktemp(name)
    make_sham(home / "models" / "Stable-diffusion" / SHAM_NAME)
    with serving(home, sharing) as site:
        yield site
