"""A model's noise levels and its timesteps, there and back."""

from __future__ import annotations

import math

import pytest
import torch
from diffusers import DDIMScheduler, FlowMatchEulerDiscreteScheduler
from hypothesis import given
from hypothesis import strategies as st

from webui.engine.model_schedule import DiscreteSchedule, FlowSchedule
from webui.engine.schedules import flow

SD1 = DiscreteSchedule.scaled_linear()


def test_sd1_is_diffusers_scaled_linear() -> None:
    alphas = DDIMScheduler(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012).alphas_cumprod
    expected = ((1 - alphas.double()) / alphas.double()).sqrt()
    assert SD1.sigmas == pytest.approx(expected.tolist(), rel=1e-4)
    assert DiscreteSchedule(alphas.tolist()).sigmas == pytest.approx(expected.tolist(), rel=1e-9)


def test_sd1_ends_where_everybody_knows_they_are() -> None:
    assert SD1.sigma_min == pytest.approx(0.0292, abs=5e-5)
    assert SD1.sigma_max == pytest.approx(14.6146, abs=5e-5)
    assert len(SD1.sigmas) == 1000


@pytest.mark.parametrize("timestep", [0, 1, 400, 998, 999])
def test_whole_timesteps_are_the_table(timestep: int) -> None:
    assert SD1.sigma(timestep) == SD1.sigmas[timestep]
    assert SD1.timestep(SD1.sigmas[timestep]) == pytest.approx(timestep, abs=1e-9)


@given(st.floats(0.0, 999.0))
def test_there_and_back(timestep: float) -> None:
    assert SD1.timestep(SD1.sigma(timestep)) == pytest.approx(timestep, abs=1e-6)


@given(st.integers(0, 998), st.floats(0.0, 1.0))
def test_log_sigma_is_linear_between_entries(low: int, share: float) -> None:
    expected = SD1.sigmas[low] ** (1 - share) * SD1.sigmas[low + 1] ** share
    assert SD1.sigma(low + share) == pytest.approx(expected, rel=1e-9)


def test_values_outside_get_the_ends() -> None:
    assert (SD1.timestep(0.0), SD1.timestep(0.001), SD1.timestep(1e6)) == (0.0, 0.0, 999.0)
    assert (SD1.sigma(-3.0), SD1.sigma(5000.0)) == (SD1.sigma_min, SD1.sigma_max)


def test_pure_noise_at_the_end_stays_finite() -> None:
    """A model trained to zero signal has an alpha of 0 there."""
    alphas = torch.linspace(0.99, 0.0, 100, dtype=torch.float64).tolist()
    model = DiscreteSchedule(alphas)
    assert math.isfinite(model.sigma_max) and 4000 < model.sigma_max < 5000
    assert model.timestep(model.sigma_max) == 99.0


@pytest.mark.parametrize("alphas", [[], [0.5], [0.5, 0.5], [0.2, 0.8], [1.0, 0.5]])
def test_what_is_no_schedule_is_refused(alphas: list[float]) -> None:
    with pytest.raises(ValueError, match="must fall"):
        DiscreteSchedule(alphas)


@pytest.mark.parametrize("shift", [1.0, 1.15, 3.0, 6.0])
def test_a_flow_s_times_are_diffusers(shift):
    theirs = FlowMatchEulerDiscreteScheduler(shift=shift)
    ours = FlowSchedule(shift)
    expected = theirs.sigmas.double()
    assert torch.allclose(torch.tensor(ours.sigmas[::-1], dtype=torch.float64), expected, atol=1e-6)
    for place in (0.0, 0.4, 500.0, 998.7, 999.0):
        assert ours.timestep(ours.sigma(place)) == pytest.approx(place, abs=1e-6)
    theirs.set_timesteps(sigmas=[1 - index / 7 for index in range(7)])
    assert torch.allclose(torch.tensor(flow(7, ours)), theirs.sigmas, atol=1e-6)
