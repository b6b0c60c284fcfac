"""Formulas are compared over two denoisers: one that is bent anyhow, and one that is exact for known data."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from torch import Tensor

from tests.engine.samplers.mixture import denoise


@pytest.fixture(params=["bent", "mixture"])
def bench(request: pytest.FixtureRequest, bench: SimpleNamespace) -> SimpleNamespace:
    """The same with `denoise`, of three channels."""
    known: dict[str, Any] = {"bent": bench.bent, "mixture": denoise}
    return SimpleNamespace(**vars(bench), denoise=known[request.param])


@pytest.fixture(scope="session")
def start(start: Tensor) -> Tensor:
    """Unit noise of two pictures, (2, 3, 16, 16)."""
    return start[:, :3, :16, :16].contiguous()
