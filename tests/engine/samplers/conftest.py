"""A sampler without a model: denoisers with known answers, and a loop of five lines that answers one sampler's asks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from webui.core.registry import Registry, Sampler, Table
from webui.engine.model_schedule import DiscreteSchedule
from webui.engine.noise import LaneNoise
from webui.engine.samplers.base import Answer, Ask, SamplerContext
from webui.engine.schedules import noise_levels
from webui.plugins.builtin import samplers as builtin
from webui.plugins.resolve import resolve

MODEL = DiscreteSchedule.scaled_linear()
REGISTRY = Registry(
    samplers=Table("sampler", builtin.samplers()),
    schedules=Table("schedule", builtin.schedules()),
    families=Table("family", []),
    architectures=Table("architecture", []),
    attention=Table("attention backend", []),
    tabs=Table("tab", []),
    commands=Table("command", []),
    works=Table("work", []),
)
Denoiser = Callable[[Tensor, float], Tensor]


@dataclass(frozen=True)
class Gaussian:
    """Data of one normal distribution: the denoiser and the solution of its probability-flow equation are exact."""

    mean: float = 0.3
    spread: float = 0.7

    def denoise(self, x: Tensor, sigma: float) -> Tensor:
        share = self.spread**2 / (self.spread**2 + sigma**2)
        return self.mean + share * (x - self.mean)

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


def levels(row: Sampler, steps: int, schedule: str = "Automatic") -> list[float]:
    return noise_levels(row, REGISTRY.schedules.get(schedule), steps, MODEL, REGISTRY, resolve)


def drive(
    row: Sampler | str,
    x: Tensor,
    sigmas: Sequence[float],
    denoise: Denoiser,
    noise: Any = None,
    options: Mapping[str, float] | None = None,
) -> tuple[Tensor, list[Ask]]:
    """(the final latent, all asks) of one sampler from x at sigmas[0]."""
    row = REGISTRY.samplers.get(row) if isinstance(row, str) else row
    noise = noise if noise is not None else LaneNoise(range(len(x)), x.shape[1:])
    sampling = resolve(row.function)(x, SamplerContext(sigmas, len(sigmas) - 1, noise, MODEL, options or {}))
    asks = [next(sampling)]
    while True:
        try:
            asks.append(sampling.send(Answer(denoise(asks[-1].x, asks[-1].sigma))))
        except StopIteration as end:
            return end.value, asks


@pytest.fixture(scope="session")
def bench() -> SimpleNamespace:
    """All of the above for the tests of this folder."""
    return SimpleNamespace(
        model=MODEL,
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
