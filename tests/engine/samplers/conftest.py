"""A sampler without a model: denoisers with known answers, and a loop of five lines that answers one sampler's asks."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType, SimpleNamespace
from typing import Any

import diffusers
import pytest
import torch
from torch import Tensor

from webui.core.registry import Sampler
from webui.engine.model_schedule import DiscreteSchedule, FlowSchedule
from webui.engine.noise import LaneNoise
from webui.engine.samplers.base import Answer, Ask, ModelSchedule, Option, SamplerContext
from webui.engine.schedules import noise_levels
from webui.plugins.loader import build_registry, load_plugins
from webui.plugins.resolve import resolve

MODEL = DiscreteSchedule.scaled_linear()
FLOW = FlowSchedule(shift=3.0)
REGISTRY = build_registry(load_plugins((), "worker"))
MODULES = {
    "DPMSolverSDEScheduler": "diffusers.schedulers.scheduling_dpmsolver_sde",
    "CosineDPMSolverMultistepScheduler": "diffusers.schedulers.scheduling_cosine_dpmsolver_multistep",
}
"""Where the classes are that diffusers itself does not name without torchsde."""
Denoiser = Callable[[Tensor, float], Tensor]


@dataclass(frozen=True)
class Gaussian:
    """Data of one normal distribution: the denoiser and the solution of its probability-flow equation are exact."""

    mean: float = 0.3
    spread: float = 0.7

    def denoise(self, x: Tensor, sigma: float) -> Tensor:
        share = self.spread**2 / (self.spread**2 + sigma**2)
        return self.mean + share * (x - self.mean)

    def picture(self, x: Tensor, sigma: float) -> Tensor:
        """What a consistency model says: where the noise-free path through x ends."""
        return self.flow(x, sigma, 0.0)

    def flow(self, x: Tensor, sigma: float, end: float) -> Tensor:
        """Where the noise-free path through x at `sigma` stands at the level `end`."""
        return self.mean + (x - self.mean) * math.hypot(self.spread, end) / math.hypot(self.spread, sigma)


@dataclass
class CountedNoise:
    """Unit noise that remembers its draws, so that a formula written elsewhere can use the same ones."""

    shape: tuple[int, ...]
    seed: int = 11
    drawn: list[Tensor] = field(default_factory=list)
    levels: list[tuple[float, float]] = field(default_factory=list)

    def normal(self) -> Tensor:
        generator = torch.Generator().manual_seed(self.seed + len(self.drawn))
        self.drawn.append(torch.randn(self.shape, generator=generator))
        return self.drawn[-1]

    def brownian(self, sigma: float, sigma_next: float) -> Tensor:
        self.levels.append((sigma, sigma_next))
        return self.normal()


def bent(x: Tensor, sigma: float) -> Tensor:
    """A denoiser that is no straight line in x, so that a formula with wrong weights cannot pass by luck."""
    return torch.tanh(x / (1.0 + sigma)) * (1.0 + 0.1 * math.cos(sigma))


def in_flow(denoise: Denoiser) -> Denoiser:
    """The same data seen by a flow model: x = (1 - sigma) clean + sigma noise, sigma below 1 or 1."""

    def flowing(x: Tensor, sigma: float) -> Tensor:
        signal = max(1.0 - sigma, 1e-6)
        return denoise(x / signal, sigma / signal)

    return flowing


def levels(row: Sampler, steps: int, schedule: str = "Automatic", model: ModelSchedule = MODEL) -> list[float]:
    return noise_levels(row, REGISTRY.schedules.get(schedule), steps, model, REGISTRY, resolve)


# Rows for models that see the whole picture in any noise: they are tested with such a one.
CONSISTENCY = {
    "LCM",
    "LCM (diffusers)",
    "Flow LCM (diffusers)",
    "Consistency (diffusers)",
    "SCM (diffusers)",
}


def denoiser_for(row: Sampler | str, data: Gaussian) -> Denoiser:
    """What a model of the row's kind, perfectly trained on the data, answers."""
    name = row if isinstance(row, str) else row.name
    return data.picture if name in CONSISTENCY else data.denoise


def drive(
    row: Sampler | str,
    x: Tensor,
    sigmas: Sequence[float],
    denoise: Denoiser,
    noise: Any = None,
    options: Mapping[str, Option] | None = None,
    steps: int | None = None,
    model: ModelSchedule = MODEL,
    uncond: Denoiser | None = None,
) -> tuple[Tensor, list[Ask]]:
    """(the final latent, all asks) of one sampler from x at sigmas[0]. steps: what a person asked for."""
    row = REGISTRY.samplers.get(row) if isinstance(row, str) else row
    noise = noise if noise is not None else LaneNoise(range(len(x)), x.shape[1:])
    steps = steps if steps is not None else len(sigmas) - 1
    sampling = resolve(row.function)(x, SamplerContext(sigmas, steps, noise, model, options or {}))
    asks = [next(sampling)]
    while True:
        try:
            x, sigma = asks[-1].x, asks[-1].sigma
            asks.append(sampling.send(Answer(denoise(x, sigma), None if uncond is None else uncond(x, sigma))))
        except StopIteration as end:
            return end.value, asks


# For each module: a folder that is no package would have it for the whole session.
@pytest.fixture(scope="module", autouse=True)
def torchsde():
    """An empty package of this name where it is not installed: two classes of diffusers import it, and here use none
    of it, since their noise is the lane's.
    """
    with pytest.MonkeyPatch.context() as patch:
        if find_spec("torchsde") is None:
            there = ModuleType("torchsde")
            there.__spec__ = ModuleSpec("torchsde", None)
            patch.setitem(sys.modules, "torchsde", there)
            for row in (row for row in REGISTRY.samplers if row.package == "torchsde"):
                name = row.aliases[0]
                patch.setattr(diffusers, name, getattr(import_module(MODULES[name]), name))
        yield


@pytest.fixture(scope="session")
def bench() -> SimpleNamespace:
    """All of the above for the tests of this folder."""
    return SimpleNamespace(
        model=MODEL,
        flow=FLOW,
        in_flow=in_flow,
        denoiser_for=denoiser_for,
        registry=REGISTRY,
        Gaussian=Gaussian,
        CountedNoise=CountedNoise,
        bent=bent,
        levels=levels,
        drive=drive,
    )


@pytest.fixture(scope="session")
def start() -> Tensor:
    """Unit noise of two pictures, (2, 4, 32, 32)."""
    return LaneNoise((3, 4), (4, 32, 32)).normal()
