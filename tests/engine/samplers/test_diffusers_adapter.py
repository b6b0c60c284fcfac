"""diffusers' classes stepped in their own way, against our samplers and against the adapter that carries them."""

from __future__ import annotations

import math

import diffusers
import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    LMSDiscreteScheduler,
    UniPCMultistepScheduler,
)

from webui.core.errors import DarkroomError

SD1 = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}


def noise_in(bench, sample: torch.Tensor, sigma: float) -> torch.Tensor:
    """What a model that predicts noise says about a latent in the unit-variance scale."""
    x = sample * math.hypot(1.0, sigma)
    return (x - bench.bent(x, sigma)) / sigma


def stepped(bench, scheduler, sample: torch.Tensor) -> torch.Tensor:
    """The class's own loop, with predicted noise, over the levels in its `sigmas`."""
    for timestep, sigma in zip(scheduler.timesteps, scheduler.sigmas[:-1].tolist(), strict=True):
        sample = scheduler.step(noise_in(bench, sample, sigma), timestep, sample).prev_sample
    return sample


def test_euler_is_eulerdiscretescheduler(bench, start) -> None:
    scheduler = EulerDiscreteScheduler(**SD1, timestep_spacing="linspace")
    scheduler.set_timesteps(28)  # 27 spaces of exactly 37 timesteps, so that nothing is interpolated
    sigmas = bench.levels(bench.registry.samplers.get("Euler"), 28)
    assert sigmas == pytest.approx(scheduler.sigmas.tolist(), rel=1e-4)

    sample = start * sigmas[0]
    for timestep, sigma in zip(scheduler.timesteps, sigmas[:-1], strict=True):
        epsilon = (sample - bench.bent(sample, sigma)) / sigma
        sample = scheduler.step(epsilon, timestep, sample).prev_sample
    final, _ = bench.drive("Euler", start * sigmas[0], sigmas, bench.bent)
    assert (final - sample).abs().max() < 1e-4


def test_lms_is_lmsdiscretescheduler(bench, start) -> None:
    """As the class sets its levels for itself."""
    scheduler = LMSDiscreteScheduler(**SD1)
    scheduler.set_timesteps(20)
    sigmas = scheduler.sigmas.tolist()
    sample = start * sigmas[0]
    for timestep, sigma in zip(scheduler.timesteps, sigmas[:-1], strict=True):
        scheduler.scale_model_input(sample, timestep)
        sample = scheduler.step((sample - bench.bent(sample, sigma)) / sigma, timestep, sample).prev_sample
    final, _ = bench.drive("LMS", start * sigmas[0], sigmas, bench.bent)
    assert (final - sample).abs().max() < 1e-4


@pytest.mark.parametrize("schedule", ["Karras", "Exponential"])
def test_dpmpp_2m_is_dpmsolvermultistepscheduler(bench, start, schedule) -> None:
    scheduler = DPMSolverMultistepScheduler(**SD1, **{f"use_{schedule.lower()}_sigmas": True})
    scheduler.set_timesteps(20)
    sigmas = bench.levels(bench.registry.samplers.get("DPM++ 2M"), 20, schedule)
    assert sigmas == pytest.approx(scheduler.sigmas.tolist(), rel=1e-4)

    expected = stepped(bench, scheduler, start * sigmas[0] / math.hypot(1.0, sigmas[0]))
    final, _ = bench.drive("DPM++ 2M", start * sigmas[0], scheduler.sigmas.tolist(), bench.bent)
    assert (final - expected).abs().max() < 1e-4


@pytest.mark.parametrize("eta", [0.0, 0.7])
def test_ddim_is_ddimscheduler_on_the_same_timesteps(bench, start, eta) -> None:
    scheduler = DDIMScheduler(**SD1, clip_sample=False)
    scheduler.set_timesteps(20)
    row = bench.registry.samplers.get("DDIM")
    sigmas = bench.levels(row, 20)
    timesteps = [round(bench.model.timestep(sigma)) for sigma in sigmas]
    assert timesteps == list(range(951, 0, -50))

    noise = bench.CountedNoise(tuple(start.shape))
    final, asks = bench.drive(row, start * math.hypot(1.0, sigmas[0]), sigmas, bench.bent, noise, {"eta_ddim": eta})
    assert len(asks) == 19

    sample = start
    for index, timestep in enumerate(timesteps[:-1]):
        epsilon = noise_in(bench, sample, sigmas[index])
        fresh = noise.drawn[index] if eta else None
        sample = scheduler.step(epsilon, timestep, sample, eta=eta, variance_noise=fresh).prev_sample
    assert (final - sample).abs().max() < 1e-4


@pytest.mark.parametrize("name", ["DPMSolverMultistepScheduler", "UniPCMultistepScheduler"])
@pytest.mark.parametrize("steps", [9, 21])
@pytest.mark.parametrize("final_sigmas_type", ["zero", "sigma_min"])
def test_the_adapter_is_the_class(bench, start, name, steps, final_sigmas_type) -> None:
    kind = {
        "DPMSolverMultistepScheduler": DPMSolverMultistepScheduler,
        "UniPCMultistepScheduler": UniPCMultistepScheduler,
    }
    scheduler = kind[name](**SD1, final_sigmas_type=final_sigmas_type)
    scheduler.set_timesteps(steps)
    sigmas = scheduler.sigmas.tolist()

    expected = stepped(bench, scheduler, start)
    final, asks = bench.drive(name, start * math.hypot(1.0, sigmas[0]), sigmas, bench.bent)
    assert [ask.sigma for ask in asks] == sigmas[:-1]
    assert (final / math.hypot(1.0, sigmas[-1]) - expected).abs().max() < 1e-4


@pytest.mark.parametrize("name", ["DPM-Solver++ (diffusers)", "UniPC (diffusers)"])
def test_the_rows_default_levels_are_the_classes_own(bench, name) -> None:
    """Its 'linspace' spacing, which rounds to whole timesteps where SGM Uniform does not."""
    row = bench.registry.samplers.get(name)
    scheduler = DPMSolverMultistepScheduler(**SD1)
    scheduler.set_timesteps(27)
    assert bench.levels(row, 27) == pytest.approx(scheduler.sigmas.tolist(), rel=1e-4)


def test_dpmpp_2m_and_the_adapter_agree_where_their_formulas_do(bench, start) -> None:
    sigmas = bench.levels(bench.registry.samplers.get("DPM++ 2M"), 20)
    ours, _ = bench.drive("DPM++ 2M", start * sigmas[0], sigmas, bench.bent)
    theirs, _ = bench.drive("DPM-Solver++ (diffusers)", start * sigmas[0], sigmas, bench.bent)
    assert (ours - theirs).abs().max() < 1e-4


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("LMS", "LMS (diffusers)"),
        ("DPM++ SDE", "DPM-Solver SDE (diffusers)"),
        ("DPM++ 2M SDE", "Cosine DPM-Solver++ (diffusers)"),
    ],
)
# Of fewer than 15 steps that end above 0 the Cosine class makes the last one of first order.
@pytest.mark.parametrize(("steps", "end"), [(1, 0.0), (2, 0.0), (12, 0.0), (20, 0.0), (20, 0.3)])
def test_classes_that_need_a_package_are_our_methods_with_the_same_noise(
    bench, start, ours, theirs, steps, end
) -> None:
    sigmas = [14.0 * 0.04 ** (place / steps) for place in range(steps)] + [end]
    final, asks = bench.drive(ours, start * 14.0, sigmas, bench.bent)
    same, again = bench.drive(theirs, start * 14.0, sigmas, bench.bent)
    assert (final - same).abs().max() < 1e-4
    assert [ask.sigma for ask in again] == pytest.approx([ask.sigma for ask in asks], rel=1e-6)


@pytest.mark.parametrize("row", ["DPMSolverSDEScheduler", "CosineDPMSolverMultistepScheduler"])
def test_a_class_whose_package_came_after_the_worker_says_so(bench, start, monkeypatch, row) -> None:
    """diffusers decides what it has when it is imported."""
    absent = type(row, (), {"_backends": ["torch", "torchsde"]})
    monkeypatch.setattr(diffusers, row, absent)
    with pytest.raises(
        DarkroomError, match=r"needs the package torchsde, which was not there when this worker started"
    ):
        bench.drive(row, start, [1.0, 0.0], bench.bent)


@pytest.mark.parametrize("name", ["DPM-Solver++ (diffusers)", "UniPC (diffusers)"])
def test_levels_beyond_the_models_are_not_mixed_up(bench, start, name) -> None:
    """The levels above sigma_max share the model's last timestep, by which the classes look levels up."""
    sigmas = [40.0 * 0.01 ** (index / 40) for index in range(41)]
    data = bench.Gaussian()
    final, _ = bench.drive(name, start * 40.0, sigmas, data.denoise)
    assert (final - data.flow(start * 40.0, 40.0, sigmas[-1])).abs().max() < 0.05
