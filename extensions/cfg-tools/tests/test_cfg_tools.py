"""Each method by its own definition, and on the starter: strong guidance burns less, and the circle stays red."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from webui.extend.testing import Studio

STRONG = {"seed": 5, "cfg_scale": 16, "steps": 12}


def made(studio: Studio, **options: Any) -> tuple[np.ndarray, str]:
    extensions = {"cfg-tools": {"enabled": True, "rescale": 0.0, **options}} if options else {}
    (shot,) = studio.make(**STRONG, extensions=extensions)
    return np.asarray(shot.image).astype(float), shot.infotext


@pytest.fixture(scope="module")
def plain(studio: Studio) -> np.ndarray:
    return made(studio)[0]


def test_plain_cfg_without_a_rescale_is_the_same_picture(studio: Studio, plain: np.ndarray) -> None:
    assert np.abs(made(studio, method="CFG")[0] - plain).max() <= 1


@pytest.mark.parametrize(
    "options", [{"rescale": 0.7}, {"method": "CFG-Zero*"}, {"method": "APG"}, {"method": "APG", "rescale": 0.5}]
)
def test_the_circle_stays_red_under_each(studio: Studio, plain: np.ndarray, options: dict[str, Any]) -> None:
    picture, infotext = made(studio, **options)
    assert np.abs(picture - plain).mean() > 0.2, "it does something"
    red, green, blue = picture[56:72, 56:72].mean((0, 1))
    assert red > 150 and max(green, blue) < 110
    assert "Guidance tools Enable: True" in infotext


def test_apg_of_the_whole_difference_is_plain_cfg(studio: Studio, plain: np.ndarray) -> None:
    assert np.abs(made(studio, method="APG", apg_norm=0.0, apg_parallel=1.0)[0] - plain).max() <= 2


def test_zero_init_stands_still_in_its_steps(studio: Studio) -> None:
    with_all = made(studio, method="CFG-Zero*", zero_init_steps=12)[0]
    # Nothing was ever taken from the noise, so there is no circle.
    assert np.abs(with_all[56:72, 56:72].mean((0, 1)) - np.array([220, 30, 40])).max() > 60


def test_the_formulas(studio: Studio) -> None:
    worker = studio.module("worker")
    torch.manual_seed(0)
    x, cond = torch.randn(2, 2, 4, 8, 8)
    # A negative prediction that is a multiple of the positive one says nothing new: no guidance is left.
    uncond = x - 0.5 * (x - cond)
    assert torch.allclose(worker.cfg_zero_star(x, cond, uncond, 9.0), cond, atol=1e-4)
    # What lies along the prediction is left out whole, what lies across it is kept whole.
    assert torch.allclose(worker.apg(cond, 0.5 * cond, 9.0, 0.0, 0.0), cond, atol=1e-4)
    across = torch.randn(2, 4, 8, 8)
    across -= (across * cond).sum((1, 2, 3), keepdim=True) / cond.square().sum((1, 2, 3), keepdim=True) * cond
    assert torch.allclose(worker.apg(cond, cond - across, 3.0, 0.0, 0.0), cond + 2.0 * across, atol=1e-4)
    longest = worker.apg(cond, cond - 100 * across, 2.0, 5.0, 0.0) - cond
    assert torch.allclose(longest.flatten(1).norm(dim=1), torch.tensor(5.0), atol=1e-3)
