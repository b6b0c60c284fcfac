"""How fast samplers come nearer to the exact path, and between which levels their noise is asked for."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from tests.engine.samplers.formulas.comparing import SIGMAS


def test_dpmpp_2m_sde_takes_brownian_noise_of_its_own_steps(bench, start) -> None:
    noise = bench.CountedNoise(tuple(start.shape))
    bench.drive("DPM++ 2M SDE", start * SIGMAS[0], SIGMAS, bench.bent, noise)
    assert noise.levels == list(pairwise(SIGMAS[:-1]))


@pytest.mark.parametrize(
    "name, order", [("Euler", 1), ("DDIM", 1), ("Heun", 2), ("DPM++ 2M", 2), ("UniPC (diffusers)", 2)]
)
def test_order_of_convergence(bench, start, name, order) -> None:
    """Half the step divides the error of the exact path by 2 to the power of the order."""
    data = bench.Gaussian()
    errors = []
    for steps in (40, 80):
        sigmas = [10.0 * 0.05 ** (index / steps) for index in range(steps + 1)]
        final, _ = bench.drive(name, start.mul(10.0), sigmas, data.denoise)
        if bench.registry.samplers.get(name).uses_timesteps:
            final = final * math.hypot(1.0, sigmas[-1])
        errors.append((final - data.flow(start * 10.0, 10.0, sigmas[-1])).abs().max().item())
    assert math.log2(errors[0] / errors[1]) > order - 0.25
