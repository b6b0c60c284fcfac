"""Its sampler follows the exact path of a Gaussian with second order, and makes a red circle."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from webui.extend.testing import Studio
from webui.extend.worker import Answer, DiscreteSchedule, SamplerContext

MODEL = DiscreteSchedule.scaled_linear()


class Silence:
    """No noise: the method draws none."""

    def normal(self) -> Tensor:
        raise AssertionError

    def brownian(self, sigma: float, sigma_next: float) -> Tensor:
        raise AssertionError


def walk(studio: Studio, sigmas: list[float], denoise: Callable[[Tensor, float], Tensor]) -> tuple[Tensor, int]:
    """The final latent from ones at the first level, and the number of asks."""
    context = SamplerContext(sigmas, len(sigmas) - 1, Silence(), MODEL)
    sampling = studio.module("worker").ralston(torch.ones(1, 4, 8, 8) * sigmas[0], context)
    ask, asks = next(sampling), 1
    while True:
        try:
            ask = sampling.send(Answer(denoise(ask.x, ask.sigma)))
            asks += 1
        except StopIteration as end:
            return end.value, asks


def error(studio: Studio, steps: int) -> float:
    """How far from the exact path a walk from level 10 to 0.5 ends, for pictures of a normal distribution."""
    sigmas = [10.0 * 0.05 ** (index / steps) for index in range(steps + 1)]
    final, _ = walk(studio, sigmas, lambda x, sigma: x * 0.49 / (0.49 + sigma**2))
    return abs(final.mean().item() - 10.0 * math.hypot(0.7, 0.5) / math.hypot(0.7, 10.0))


def test_it_is_of_second_order(studio: Studio) -> None:
    assert math.log2(error(studio, 20) / error(studio, 40)) > 1.75


def test_it_ends_on_the_picture_with_two_asks_a_step(studio: Studio) -> None:
    final, asks = walk(studio, [14.0, 5.0, 1.0, 0.1, 0.0], lambda x, sigma: torch.full_like(x, 0.25))
    assert torch.allclose(final, torch.full_like(final, 0.25), atol=1e-5)
    assert asks == 4 * studio.registry.samplers.get("ralston").order


def test_it_makes_a_red_circle(studio: Studio) -> None:
    (shot,) = studio.make(sampler_name="Ralston", steps=12, seed=2)
    red, green, blue = np.asarray(shot.image).astype(int)[60:68, 60:68].mean((0, 1))
    assert red > 170 and max(green, blue) < 90
    assert "Sampler: Ralston" in shot.infotext
