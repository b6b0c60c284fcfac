"""Schedules against formulas written a second time, against diffusers, and by their properties."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from diffusers import DPMSolverMultistepScheduler, EulerDiscreteScheduler
from hypothesis import given
from hypothesis import strategies as st

from webui.core.registry import Registry, Sampler, Table
from webui.engine.model_schedule import DiscreteSchedule
from webui.engine.schedules import (
    karras,
    noise_levels,
    normal,
    sgm_uniform,
    simple,
    start_scale,
    timesteps,
    uniform,
)
from webui.plugins.builtin import samplers as builtin
from webui.plugins.resolve import resolve

SD1 = DiscreteSchedule.scaled_linear()
ROWS = builtin.schedules()
REGISTRY = Registry(
    Table("sampler", builtin.samplers()),
    Table("schedule", ROWS),
    *(Table(kind, []) for kind in ("f", "n", "a", "t", "c", "w")),
)
STEPS = [1, 2, 3, 7, 20, 30, 50, 150]
each_row = pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])


def at_timesteps(places: np.ndarray) -> list[float]:
    logs = np.interp(places, np.arange(1000), np.log(SD1.sigmas))
    return [*np.exp(logs), 0.0]


FORMULAS = {
    "Automatic": lambda n: at_timesteps(np.linspace(999, 0, n)),
    "Uniform": lambda n: at_timesteps(np.linspace(999, 0, n)),
    "Normal": lambda n: at_timesteps(np.linspace(999, 0, n)),
    "SGM Uniform": lambda n: at_timesteps(np.linspace(999, 0, n + 1)[:-1]),
    "Simple": lambda n: [*(SD1.sigmas[999 - math.floor(i * (1000 / n))] for i in range(n)), 0.0],
    "Exponential": lambda n: [*np.geomspace(SD1.sigma_max, SD1.sigma_min, n), 0.0],
    "Karras": lambda n: [
        *((np.linspace(SD1.sigma_max ** (1 / 7), SD1.sigma_min ** (1 / 7), n)) ** 7),
        0.0,
    ],
}


@each_row
@pytest.mark.parametrize("steps", STEPS)
def test_the_formula(row, steps: int) -> None:
    """Every row needs its formula here, written from A1111's description and not from ours."""
    assert resolve(row.function)(steps, SD1) == pytest.approx(FORMULAS[row.name](steps), rel=1e-9)


@each_row
@given(steps=st.integers(1, 150), count=st.integers(150, 1200), top=st.floats(0.005, 0.02))
def test_any_table_falls_from_sigma_max_to_clean(row, steps: int, count: int, top: float) -> None:
    model = DiscreteSchedule.scaled_linear(0.0005, top, count)
    sigmas = resolve(row.function)(steps, model)
    assert len(sigmas) == steps + 1 and sigmas[-1] == 0.0
    assert all(type(sigma) is float for sigma in sigmas)
    assert sigmas[0] == pytest.approx(model.sigma_max, rel=1e-12)
    assert sigmas[-2] >= model.sigma_min * (1 - 1e-12)
    assert all(after < before for before, after in pairwise(sigmas))


@pytest.mark.parametrize("name", ["karras", "exponential"])
def test_as_diffusers_counts_it(name: str) -> None:
    scheduler = DPMSolverMultistepScheduler(
        beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, **{f"use_{name}_sigmas": True}
    )
    scheduler.set_timesteps(23)
    ours = resolve(REGISTRY.schedules.get(name).function)(23, SD1)
    assert ours == pytest.approx(scheduler.sigmas.tolist(), rel=1e-4)


def test_uniform_as_diffusers_counts_it() -> None:
    scheduler = EulerDiscreteScheduler(
        beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, interpolation_type="log_linear"
    )
    scheduler.set_timesteps(28)
    ours = uniform(28, SD1)
    assert (ours[0], ours[27], ours[28]) == pytest.approx((SD1.sigma_max, SD1.sigma_min, 0.0))
    assert [round(SD1.timestep(sigma)) for sigma in ours[:-1]] == [round(t) for t in scheduler.timesteps.tolist()]


@pytest.mark.parametrize("steps, calls", [(1, 1), (2, 1), (3, 3), (10, 9), (20, 19), (30, 30), (50, 49), (150, 166)])
def test_timesteps_make_as_many_calls_as_a1111(steps: int, calls: int) -> None:
    assert len(timesteps(steps, SD1)) == calls + 1


def test_timesteps_are_whole_and_end_at_one() -> None:
    assert [round(SD1.timestep(sigma), 6) for sigma in timesteps(20, SD1)] == list(range(951, 0, -50))
    assert [round(SD1.timestep(sigma)) for sigma in timesteps(30, SD1)] == list(range(991, 0, -33))


@given(st.integers(1, 150))
def test_timesteps_fall_and_stay_in_the_table(steps: int) -> None:
    sigmas = timesteps(steps, SD1)
    assert len(sigmas) >= 2
    assert all(sigma in SD1.sigmas or sigma == 0.0 for sigma in sigmas)
    assert all(after < before for before, after in pairwise(sigmas))


@pytest.mark.parametrize("name", ["sgm_uniform", "SGMUniform", "sgm uniform", "KARRAS", "automatic"])
def test_a1111s_spellings_are_found(name: str) -> None:
    assert name in REGISTRY.schedules


def level_table(sampler: str, schedule: str, steps: int = 12) -> list[float]:
    return noise_levels(REGISTRY.samplers.get(sampler), REGISTRY.schedules.get(schedule), steps, SD1, REGISTRY, resolve)


def test_automatic_is_the_samplers_own_schedule() -> None:
    assert level_table("DPM++ 2M", "Automatic") == karras(12, SD1)
    assert level_table("Euler", "Automatic") == uniform(12, SD1)
    assert level_table("DPM++ 2M", "Simple") == simple(12, SD1)
    assert level_table("Heun", "SGM Uniform") == sgm_uniform(12, SD1)


def test_ddim_walks_timesteps_until_another_schedule_is_chosen() -> None:
    assert level_table("DDIM", "Automatic") == timesteps(12, SD1)
    assert level_table("DDIM", "Uniform") == timesteps(12, SD1)
    assert level_table("DDIM", "Normal") == normal(12, SD1)


def test_every_samplers_schedule_is_a_row() -> None:
    for row in REGISTRY.samplers:
        assert row.schedule in REGISTRY.schedules


def test_start_is_sigma_or_the_models_own_unit_variance() -> None:
    steps_on_sigmas, steps_on_timesteps = Sampler("A", "a:a"), Sampler("B", "b:b", uses_timesteps=True)
    assert start_scale(steps_on_sigmas, 12.0, SD1) == 12.0
    assert start_scale(steps_on_timesteps, 12.0, SD1) / math.sqrt(1 + 12.0**2) == pytest.approx(1.0)
