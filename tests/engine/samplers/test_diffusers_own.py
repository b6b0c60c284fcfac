"""Rows of diffusers against their classes as pipelines step them, on levels that a class has set for itself."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import diffusers
import pytest
import torch
from torch import Tensor

from webui.engine.samplers import diffusers_adapter

SD1 = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
LEARNED = {**SD1, "clip_sample": False}
FLOW = [0.95, 0.9, 0.82, 0.7, 0.55, 0.4, 0.25, 0.1, 0.0]


def as_it_is(sigma: float) -> float:
    return 1.0


def unit(sigma: float) -> float:
    return math.hypot(1.0, sigma)


def straight(sigma: float) -> float:
    return 1.0 + sigma


def noise(x: Tensor, clean: Tensor, sigma: float) -> Tensor:
    """What a model of noise says of x = clean + sigma * noise."""
    return (x - clean) / sigma


def velocity(x: Tensor, clean: Tensor, sigma: float) -> Tensor:
    return noise(x, clean, sigma) - clean


def back(x: Tensor, clean: Tensor, sigma: float) -> Tensor:
    return -velocity(x, clean, sigma)


def angular(x: Tensor, clean: Tensor, sigma: float) -> Tensor:
    """v of latents of unit variance."""
    alpha, share = 1 / unit(sigma), sigma / unit(sigma)
    return alpha * noise(x, clean, sigma) - share * clean


def edm(x: Tensor, clean: Tensor, sigma: float) -> Tensor:
    """F of Karras et al. 2022, equation 7, with data of spread 1/2."""
    skip, out = 0.25 / (sigma**2 + 0.25), sigma * 0.5 / math.sqrt(sigma**2 + 0.25)
    return (clean - skip * x) / out


def trigflow(x: Tensor, clean: Tensor, sigma: float) -> Tensor:
    """d x / d angle where x = cos * clean + sin * noise / 2."""
    angle = math.atan(2 * sigma)
    return math.cos(angle) * noise(x, clean, sigma) / 2 - math.sin(angle) * clean


def picture(x: Tensor, clean: Tensor, sigma: float) -> Tensor:
    return clean


def own_levels(scheduler: Any) -> list[float]:
    """The noise levels that a class has set for itself, each once."""
    if hasattr(scheduler, "sigmas"):
        levels: list[float] = torch.unique_consecutive(scheduler.sigmas).tolist()
        return levels
    return [*_of_alphas(scheduler.alphas_cumprod[torch.unique_consecutive(scheduler.timesteps).long()]), 0.0]


def _of_alphas(alphas: Tensor) -> list[float]:
    levels: list[float] = ((1 - alphas) / alphas).sqrt().tolist()
    return levels


def above_zero(scheduler: Any) -> list[float]:
    """UnCLIP's last step, to 0, is off by what single precision leaves of 1 - alpha there."""
    return own_levels(scheduler)[:-1]


def of_flow(scheduler: Any) -> list[float]:
    """A flow's levels as ratios of noise to picture."""
    return [sigma / (1.0 - sigma) for sigma in own_levels(scheduler)]


def to_the_first_timestep(scheduler: Any) -> list[float]:
    """TCD's way ends at the table's first entry."""
    return [*own_levels(scheduler)[:-1], *_of_alphas(scheduler.alphas_cumprod[:1])]


def of_angles(scheduler: Any) -> list[float]:
    return [math.tan(angle) / 2 for angle in scheduler.timesteps.tolist()]


def of_mixture(scheduler: Any) -> list[float]:
    return [float(noise / clean) for noise, clean in zip(scheduler.betas, scheduler.alphas, strict=True)]


def of_cosine(scheduler: Any) -> list[float]:
    return _of_alphas(torch.cat([scheduler._alpha_cumprod(t[None], "cpu") for t in scheduler.timesteps]))


def by_number(scheduler: Any, steps: int) -> None:
    scheduler.set_timesteps(steps)


def by_flow(scheduler: Any, steps: int) -> None:
    scheduler.set_timesteps(sigmas=FLOW)


def by_flow_without_its_end(scheduler: Any, steps: int) -> None:
    scheduler.set_timesteps(len(FLOW) - 1, sigmas=FLOW[:-1])


def below_pure_noise(scheduler: Any, steps: int) -> None:
    """Flow Heun's own, from 0.95: pure noise has no ratio."""
    scheduler.sigma_max = 0.95
    scheduler.set_timesteps(steps)


def above_its_end(scheduler: Any, steps: int) -> None:
    """At its end Würstchen's leaves the noise out that its table has there."""
    scheduler.set_timesteps(timesteps=torch.linspace(1.0, 0.05, steps + 1))


def by_angles(scheduler: Any, steps: int) -> None:
    angles = [1.5 - 1.5 * place / steps for place in range(steps + 1)]
    scheduler.set_timesteps(steps, timesteps=angles, max_timesteps=None, intermediate_timesteps=None)


@dataclass(frozen=True)
class Own:
    """How a class is made, what latents it sees and what it is told; `random`: its steps take generators."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    scale: Callable[[float], float] = as_it_is
    told: Callable[[Tensor, Tensor, float], Tensor] = noise
    random: bool = False
    set: Callable[[Any, int], None] = by_number
    levels: Callable[[Any], list[float]] = own_levels


OWN = (
    Own("EulerDiscreteScheduler", SD1),
    Own("EulerAncestralDiscreteScheduler", SD1, random=True),
    Own("HeunDiscreteScheduler", SD1),
    Own("KDPM2DiscreteScheduler", SD1),
    Own("KDPM2AncestralDiscreteScheduler", SD1, random=True),
    Own("DPMSolverSinglestepScheduler", {**SD1, "lower_order_final": True}, unit),
    Own("DEISMultistepScheduler", SD1, unit),
    Own("SASolverScheduler", SD1, unit, random=True),
    Own("DDIMScheduler", LEARNED, unit),
    Own("DDIMParallelScheduler", LEARNED, unit),
    Own("DDPMScheduler", LEARNED, unit, random=True),
    Own("DDPMParallelScheduler", LEARNED, unit, random=True),
    Own("UnCLIPScheduler", {"clip_sample": False, "prediction_type": "sample"}, unit, picture, True, levels=above_zero),
    Own("PNDMScheduler", {**SD1, "skip_prk_steps": True, "set_alpha_to_one": True}, unit),
    Own("CogVideoXDDIMScheduler", {**LEARNED, "snr_shift_scale": 1.0, "timestep_spacing": "leading"}, unit),
    Own("CogVideoXDPMScheduler", {**LEARNED, "snr_shift_scale": 1.0}, unit, random=True),
    Own("DDPMWuerstchenScheduler", {}, unit, noise, True, above_its_end, of_cosine),
    Own("IPNDMScheduler", {}, unit, angular, levels=of_mixture),
    Own("EDMEulerScheduler", {}, told=edm),
    Own("EDMDPMSolverMultistepScheduler", {}, told=edm),
    Own("LCMScheduler", {}, unit, random=True),
    Own("TCDScheduler", {}, unit, random=True, levels=to_the_first_timestep),
    Own("SCMScheduler", {}, lambda sigma: math.hypot(1.0, 2 * sigma), trigflow, True, by_angles, of_angles),
    Own("FlowMatchEulerDiscreteScheduler", {}, straight, velocity, False, by_flow_without_its_end, of_flow),
    Own("FlowMatchHeunDiscreteScheduler", {}, straight, velocity, False, below_pure_noise, of_flow),
    Own("FlowMatchLCMScheduler", {}, straight, velocity, True, by_flow_without_its_end, of_flow),
    Own("FlowMapEulerDiscreteScheduler", {}, straight, velocity, False, by_flow_without_its_end, of_flow),
    Own("LTXEulerAncestralRFScheduler", {}, straight, velocity, True, by_flow, of_flow),
    Own("MiniMaxH3Scheduler", {}, straight, back, False, by_flow, of_flow),
)


def made(own: Own, steps: int) -> Any:
    options = dict(own.options)
    if own.name == "IPNDMScheduler":
        # Its own begin at pure noise, which has no ratio.
        options["trained_betas"] = [math.sin(1.5 * (1 - place / steps)) for place in range(steps + 1)]
    scheduler = getattr(diffusers, own.name)(**options)
    own.set(scheduler, steps)
    return scheduler


class Pipeline:
    """What pipelines hand to a class's step besides the model's answer."""

    def __init__(self, scheduler: Any, timesteps: list[Any], generators: Any) -> None:
        self._scheduler, self._timesteps, self._last = scheduler, timesteps, None
        self._generators = {} if generators is None else {"generator": generators}

    def step(self, place: int, told: Tensor, sample: Tensor) -> Tensor:
        kind, timestep = type(self._scheduler).__name__, self._timesteps[place]
        before = self._timesteps[place - 1] if place else None
        if kind == "CogVideoXDPMScheduler":
            answers = self._scheduler.step(told, self._last, timestep, before, sample, **self._generators)
            self._last = answers[1]
            return answers[0]
        extra = dict(self._generators)
        if kind == "UnCLIPScheduler":
            extra["prev_timestep"] = self._timesteps[place + 1] if place + 1 < len(self._timesteps) else None
        if kind == "DDPMWuerstchenScheduler":
            timestep = timestep[None]
        return self._scheduler.step(told, timestep, sample, return_dict=False, **extra)[0]


@pytest.mark.parametrize("own", OWN, ids=lambda own: own.name)
@pytest.mark.parametrize("steps", [10, 21])
def test_a_class_gives_what_it_gives_by_itself(bench, start, own: Own, steps: int) -> None:
    """The class as pipelines step it, from the same start over the same levels, with the same generators."""
    scheduler = made(own, steps)
    levels = own.levels(scheduler)
    drawn = bench.CountedNoise(tuple(start.shape))
    final, asks = bench.drive(own.name, start * levels[0], levels, bench.bent, drawn)
    again = SimpleNamespace(noise=bench.CountedNoise(tuple(start.shape)))
    generators = diffusers_adapter._generators(again, len(start)) if own.random else None

    timesteps = list(scheduler.timesteps)
    # Some list the end of the way too, which is no step.
    assert len(timesteps) - len(asks) in (0, 1)
    pipeline = Pipeline(scheduler, timesteps, generators)
    sample = start * levels[0] / own.scale(levels[0])
    for place, ask in enumerate(asks):
        x = sample * own.scale(ask.sigma)
        if hasattr(scheduler, "scale_model_input"):
            scheduler.scale_model_input(sample, timesteps[place])
        sample = pipeline.step(place, own.told(x, bench.bent(x, ask.sigma), ask.sigma), sample)
    assert (final - sample * own.scale(levels[-1])).abs().max() < 1e-4
    assert bool(drawn.drawn) == own.random


def test_all_classes_that_are_rows_are_stepped_so_or_have_a_reason(bench) -> None:
    rows = {row.aliases[0] for row in bench.registry.samplers if row.group == "diffusers"}
    # The first two stand in test_diffusers_adapter.py, with both ends; Consistency's own noise begins at 0.002, not 0.
    others = {"DPMSolverMultistepScheduler", "UniPCMultistepScheduler", "CMStochasticIterativeScheduler"}
    # These are compared with our own methods there.
    others |= {row.aliases[0] for row in bench.registry.samplers if row.package}
    assert {own.name for own in OWN} == rows - others
