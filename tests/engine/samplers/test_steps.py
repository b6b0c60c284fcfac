"""The arithmetic that samplers share."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from webui.engine.samplers.base import SamplerContext
from webui.engine.samplers.steps import ancestral, churned


@given(st.floats(0.01, 100.0), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_an_ancestral_step_ends_with_exactly_the_noise_of_the_next_level(
    sigma: float, share: float, eta: float
) -> None:
    following = sigma * share
    down, up = ancestral(sigma, following, eta)
    assert down >= 0.0 and up >= 0.0
    assert math.hypot(down, up) == pytest.approx(following, abs=1e-12)


def test_the_fresh_noise_is_never_more_than_the_level(bench) -> None:
    assert ancestral(10.0, 1.0, 5.0) == (0.0, 1.0)


def test_churn_raises_the_noise_to_the_level_it_says(bench) -> None:
    noise = bench.CountedNoise((1, 4, 128, 128))
    context = SamplerContext([3.0, 2.0, 0.0], 2, noise, bench.model, {"s_churn": 0.4})
    x = torch.zeros(noise.shape)
    raised, sigma = churned(x, 3.0, context)
    assert sigma == pytest.approx(3.0 * 1.2)
    assert raised.std().item() == pytest.approx(math.sqrt(3.6**2 - 3.0**2), rel=0.01)


def test_churn_stops_at_the_root_of_two(bench) -> None:
    context = SamplerContext([3.0, 0.0], 1, bench.CountedNoise((1, 1, 4, 4)), bench.model, {"s_churn": 100.0})
    assert churned(torch.zeros(1, 1, 4, 4), 3.0, context)[1] == pytest.approx(3.0 * math.sqrt(2.0))
