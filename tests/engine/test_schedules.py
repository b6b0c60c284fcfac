"""Schedules against formulas written a second time, against diffusers, and by their properties."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from diffusers import DPMSolverMultistepScheduler, EulerDiscreteScheduler
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from webui.core.errors import InvalidField
from webui.core.registry import Sampler
from webui.engine.model_schedule import DiscreteSchedule, FlowSchedule
from webui.engine.schedules import (
    ScheduleOptions,
    karras,
    noise_levels,
    normal,
    sgm_uniform,
    simple,
    start_scale,
    timesteps,
    uniform,
)
from webui.engine.schedules_beta import quantile
from webui.engine.schedules_published import align_your_steps
from webui.plugins.builtin import samplers as builtin
from webui.plugins.loader import build_registry, load_plugins
from webui.plugins.resolve import resolve

SD1 = DiscreteSchedule.scaled_linear()
ROWS = builtin.schedules()
REGISTRY = build_registry(load_plugins((), "worker"))
STEPS = [1, 2, 3, 7, 20, 30, 50, 150]
each_row = pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])


def at_timesteps(places: np.ndarray) -> list[float]:
    logs = np.interp(places, np.arange(1000), np.log(SD1.sigmas))
    return [*np.exp(logs), 0.0]


def powers(n: int, rho: float) -> list[float]:
    return [*np.linspace(SD1.sigma_max ** (1 / rho), SD1.sigma_min ** (1 / rho), n) ** rho, 0.0]


def interpolated(table: str, n: int) -> list[float]:
    """A published table, as its page says: log-linear from its end to its top, in reverse."""
    logs = np.log([float(value) for value in table.split()])[::-1]
    places = np.linspace(0, 1, n) if n > 1 else [1.0]
    return [*np.exp(np.interp(places, np.linspace(0, 1, len(logs)), logs))[::-1], 0.0]


AYS = "14.615 6.475 3.861 2.697 1.886 1.396 0.963 0.652 0.399 0.152 0.029"
AYS_XL = "14.615 6.315 3.771 2.181 1.342 0.862 0.555 0.380 0.234 0.113 0.029"
GITS = "14.615 4.617 2.507 1.236 0.702 0.402 0.240 0.156 0.104 0.094 0.029"
AYS_32 = (
    "14.615 11.23951352 8.64363081 6.64729424 5.57250862 4.71648546 3.99196065 3.5195609 3.13490466 2.79228788 "
    "2.48773628 2.21663865 1.97508351 1.7793172 1.61475335 1.46540953 1.314849 1.16642497 1.03475547 0.91573744 "
    "0.80748169 0.71202361 0.621739 0.53065202 0.4529096 0.37491455 0.27461819 0.2011529 0.14105873 0.06682881 "
    "0.03166121 0.015"
)
FORMULAS = {
    "Automatic": lambda n: at_timesteps(np.linspace(999, 0, n)),
    "Uniform": lambda n: at_timesteps(np.linspace(999, 0, n)),
    "Normal": lambda n: at_timesteps(np.linspace(999, 0, n)),
    "SGM Uniform": lambda n: at_timesteps(np.linspace(999, 0, n + 1)[:-1]),
    "Simple": lambda n: [*(SD1.sigmas[999 - math.floor(i * (1000 / n))] for i in range(n)), 0.0],
    "Exponential": lambda n: [*np.geomspace(SD1.sigma_max, SD1.sigma_min, n), 0.0],
    "Polyexponential": lambda n: [*np.geomspace(SD1.sigma_max, SD1.sigma_min, n), 0.0],
    "Karras": lambda n: powers(n, 7.0),
    "KL Optimal": lambda n: np.tan(np.linspace(np.arctan(SD1.sigma_max), np.arctan(SD1.sigma_min), n + 1)),
    "Align Your Steps": lambda n: interpolated(AYS, n),
    "AYS 11": lambda n: interpolated(AYS, n),
    "AYS GITS": lambda n: interpolated(GITS, n),
    "AYS 32": lambda n: interpolated(AYS_32, n),
    "DDIM": lambda n: [*(SD1.sigmas[t] for t in reversed(range(1, 1000, 1000 // n))), 0.0],
    "Beta": lambda n: [
        *(SD1.sigma_min + stats.beta.ppf(1 - np.linspace(0, 1, n), 0.6, 0.6) * (SD1.sigma_max - SD1.sigma_min)),
        0.0,
    ],
    "Turbo": lambda n: [*(SD1.sigmas[round(i * (1000 / n) - 1)] for i in range(n, 0, -1)), 0.0],
}
# Whose levels are written down, whatever the ends of a model.
PUBLISHED = {"Align Your Steps", "AYS 11", "AYS GITS", "AYS 32"}
# DDIM's timesteps neither start at the top nor are as many as the steps; for one step A1111's would start at the end.
UNLIKE_OTHERS = {"DDIM"}


@each_row
@pytest.mark.parametrize("steps", STEPS)
def test_the_formula(row, steps: int) -> None:
    """Every row needs its formula here, written from A1111's description and not from ours."""
    if row.name in UNLIKE_OTHERS and steps == 1:
        pytest.skip("A1111's single step of DDIM starts where it ends")
    assert resolve(row.function)(steps, SD1) == pytest.approx(list(FORMULAS[row.name](steps)), rel=1e-9)


@each_row
@given(steps=st.integers(1, 150), count=st.integers(150, 1200), top=st.floats(0.005, 0.02))
def test_any_table_falls_from_sigma_max_to_clean(row, steps: int, count: int, top: float) -> None:
    model = DiscreteSchedule.scaled_linear(0.0005, top, count)
    sigmas = resolve(row.function)(steps, model)
    assert all(type(sigma) is float for sigma in sigmas)
    assert all(after < before for before, after in pairwise(sigmas))
    assert sigmas[-1] == (pytest.approx(model.sigma_min) if row.name == "KL Optimal" else 0.0)
    if row.name not in UNLIKE_OTHERS:
        assert len(sigmas) == steps + 1
    if row.name not in UNLIKE_OTHERS | PUBLISHED:
        assert sigmas[0] == pytest.approx(model.sigma_max, rel=1e-12)
        assert sigmas[-2] >= model.sigma_min * (1 - 1e-12)


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_the_published_tables_know_sdxl_and_no_flow_model(name: str) -> None:
    table = resolve(REGISTRY.schedules.get(name).function)
    sdxl = DiscreteSchedule.scaled_linear(aligned_as="sdxl")
    assert table(11, sdxl) != table(11, SD1)
    with pytest.raises(InvalidField, match="neither"):
        table(11, FlowSchedule())


def test_align_your_steps_of_sdxl() -> None:
    sdxl = DiscreteSchedule.scaled_linear(aligned_as="sdxl")
    assert align_your_steps(24, sdxl) == pytest.approx(interpolated(AYS_XL, 24))


@given(share=st.floats(0.001, 0.999), a=st.floats(0.1, 5.0), b=st.floats(0.1, 5.0))
def test_the_inverse_beta_distribution(share: float, a: float, b: float) -> None:
    assert quantile(share, a, b) == pytest.approx(stats.beta.ppf(share, a, b), rel=1e-7, abs=1e-13)


def chosen(name: str, steps: int = 9, sampler: str = "Euler", **options) -> list[float]:
    row, schedule = REGISTRY.samplers.get(sampler), REGISTRY.schedules.get(name)
    return noise_levels(row, schedule, steps, SD1, REGISTRY, resolve, ScheduleOptions(**options))


def test_rho_of_karras_and_polyexponential() -> None:
    assert chosen("Karras", rho=3.0) == pytest.approx(powers(9, 3.0))
    low, high = math.log(SD1.sigma_min), math.log(SD1.sigma_max)
    ramp = np.linspace(1, 0, 9) ** 2.0
    assert chosen("Polyexponential", rho=2.0) == pytest.approx([*np.exp(ramp * (high - low) + low), 0.0])
    assert chosen("Exponential", rho=3.0) == chosen("Exponential")


def test_the_ends_can_be_moved() -> None:
    for name in ("Karras", "Exponential", "Polyexponential", "Beta", "Normal"):
        levels = chosen(name, sigma_min=0.1, sigma_max=10.0)
        assert (levels[0], levels[-2]) == pytest.approx((10.0, 0.1), rel=1e-6)
    assert chosen("KL Optimal", sigma_min=0.1)[-1] == pytest.approx(0.1)
    assert chosen("Uniform", sigma_min=0.1) == chosen("Uniform")


@pytest.mark.parametrize("ends", [{"sigma_min": 20.0}, {"sigma_min": 2.0, "sigma_max": 1.0}, {"sigma_min": -1.0}])
def test_ends_that_cross_are_refused(ends: dict[str, float]) -> None:
    with pytest.raises(InvalidField, match="Sigma min is"):
        chosen("Karras", **ends)


def test_the_parameters_of_beta() -> None:
    levels = chosen("Beta", beta_dist_alpha=0.8, beta_dist_beta=0.4)
    expected = stats.beta.ppf(1 - np.linspace(0, 1, 9), 0.8, 0.4) * (SD1.sigma_max - SD1.sigma_min) + SD1.sigma_min
    assert levels == pytest.approx([*expected, 0.0])
    with pytest.raises(InvalidField, match="above 0"):
        chosen("Beta", beta_dist_alpha=-1.0)


def test_the_next_to_last_level_is_left_out_where_the_row_or_the_option_says() -> None:
    longer = [*powers(10, 7.0)[:-2], 0.0]
    assert chosen("Karras", sampler="DPM2") == pytest.approx(longer)
    assert chosen("Karras", always_discard_next_to_last_sigma=True) == pytest.approx(longer)
    assert chosen("Karras", sampler="DPM2", steps=1) == pytest.approx([SD1.sigma_max, 0.0])


def test_unipc_walks_from_the_last_timestep_to_the_first() -> None:
    """As many steps as there are DDIM timesteps, over the continuous time from 1 to 0.001."""
    levels = chosen("Uniform", 20, "UniPC")
    assert levels == pytest.approx(at_timesteps(np.linspace(1.0, 0.001, 21) * 1000 - 1)[:-1], rel=1e-6)
    assert len(chosen("Uniform", 30, "UniPC")) == 32
    levels = chosen("Uniform", 20, "UniPC", uni_pc_skip_type="time_quadratic")
    times = np.linspace(1.0, 0.001**0.5, 21) ** 2
    assert levels == pytest.approx(at_timesteps(times * 1000 - 1)[:-1], rel=1e-6)
    levels = chosen("Uniform", 20, "UniPC", uni_pc_skip_type="logSNR")
    assert levels == pytest.approx(list(np.geomspace(SD1.sigma_max, SD1.sigma_min, 21)))
    with pytest.raises(InvalidField, match="skip type"):
        chosen("Uniform", 20, "UniPC", uni_pc_skip_type="sideways")


def test_dpm_fast_and_adaptive_ignore_the_schedule() -> None:
    for name in ("DPM fast", "DPM adaptive"):
        levels = chosen("Karras", 20, name)
        assert levels == chosen("Simple", 20, name)
        assert (levels[0], levels[-1]) == pytest.approx((SD1.sigma_max, SD1.sigma_min))


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
    multiplier = ScheduleOptions(sgm_noise_multiplier=True)
    assert start_scale(steps_on_sigmas, 12.0, SD1, multiplier) == pytest.approx(math.sqrt(145.0))
    assert start_scale(steps_on_sigmas, 1.0, FlowSchedule(), multiplier) == 1.0
    assert start_scale(steps_on_sigmas, 12.0, SD1) == 12.0
    assert start_scale(steps_on_timesteps, 12.0, SD1) / math.sqrt(1 + 12.0**2) == pytest.approx(1.0)
