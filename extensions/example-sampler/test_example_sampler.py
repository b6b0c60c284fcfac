"""The extension is found by its row, and its sampler follows the exact path of a Gaussian with second order."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from webui.engine.model_schedule import DiscreteSchedule
from webui.engine.noise import LaneNoise
from webui.engine.samplers.base import Answer, SamplerContext
from webui.plugins.loader import build_registry, load_plugins
from webui.plugins.resolve import resolve

MODEL = DiscreteSchedule.scaled_linear()


@pytest.fixture(scope="module")
def row():
    plugins = load_plugins([Path(__file__).parents[1]], "worker")
    assert [report.problem for report in plugins.reports if report.name == "example-sampler"] == [""]
    return build_registry(plugins).samplers.get("Ralston")


def walk(row, sigmas: list[float], denoise) -> tuple[torch.Tensor, int]:
    """The final latent from zeros and ones at the first level, and the number of asks."""
    noise = LaneNoise([1], (4, 8, 8))
    start = torch.ones(1, 4, 8, 8) * sigmas[0]
    sampling = resolve(row.function)(start, SamplerContext(sigmas, len(sigmas) - 1, noise, MODEL))
    ask, asks = next(sampling), 1
    while True:
        try:
            ask = sampling.send(Answer(denoise(ask.x, ask.sigma)))
            asks += 1
        except StopIteration as end:
            return end.value, asks


def error(row, steps: int) -> float:
    """How far from the exact path a walk from level 10 to 0.5 ends, for pictures of a normal distribution."""
    sigmas = [10.0 * 0.05 ** (index / steps) for index in range(steps + 1)]
    final, _ = walk(row, sigmas, lambda x, sigma: x * 0.49 / (0.49 + sigma**2))
    return abs(final.mean().item() - 10.0 * math.hypot(0.7, 0.5) / math.hypot(0.7, 10.0))


def test_it_is_of_second_order(row) -> None:
    assert math.log2(error(row, 20) / error(row, 40)) > 1.75


def test_it_ends_on_the_picture_with_two_asks_a_step(row) -> None:
    final, asks = walk(row, [14.0, 5.0, 1.0, 0.1, 0.0], lambda x, sigma: torch.full_like(x, 0.25))
    assert torch.allclose(final, torch.full_like(final, 0.25), atol=1e-5)
    assert asks == 4 * row.order
