"""A high scale keeps the contrast of the mimicked one; curves have their ends; what is read from other pictures."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from webui.extend.testing import Studio

ASKED = {"seed": 5, "steps": 12}


def made(studio: Studio, scale: float, **options: Any) -> np.ndarray:
    extensions = {"dynamic-thresholding": {"enabled": True, **options}} if options else {}
    (shot,) = studio.make(**ASKED, cfg_scale=scale, extensions=extensions)
    return np.asarray(shot.image).astype(float)


def test_the_largest_distance_is_that_of_the_mimicked_scale(studio: Studio) -> None:
    worker, defaults = studio.module("worker"), {row.name: row.default for row in studio.module("extension").fields()}
    torch.manual_seed(0)
    cond, uncond = torch.randn(2, 2, 4, 8, 8)
    guided = SimpleNamespace(
        cond=cond, uncond=uncond, scale=20.0, step=0, steps=10, options={**defaults, "mimic_scale": 5}
    )

    def largest(latents: torch.Tensor) -> torch.Tensor:
        return (latents - latents.mean((2, 3), keepdim=True)).abs().amax((2, 3))

    strong, mimicked = (uncond + (cond - uncond) * scale for scale in (20.0, 5.0))
    found = worker.thresholded(guided)
    assert torch.allclose(largest(found), largest(mimicked), rtol=1e-4)
    assert (largest(strong) > 2 * largest(found)).all()


def test_without_any_share_of_it_it_is_plain_cfg(studio: Studio) -> None:
    assert np.abs(made(studio, 9, interpolate_phi=0.0) - made(studio, 9)).max() <= 2


def test_mimicking_the_scale_itself_changes_nothing(studio: Studio) -> None:
    for options in ({}, {"variability_measure": "STD"}, {"scaling_startpoint": "ZERO", "variability_measure": "STD"}):
        assert np.abs(made(studio, 7, mimic_scale=7.0, **options) - made(studio, 7)).max() <= 2


@pytest.mark.parametrize("startpoint", ["MEAN", "ZERO"])
@pytest.mark.parametrize("measure", ["AD", "STD"])
@pytest.mark.parametrize("separate", [True, False])
def test_each_way_makes_a_red_circle(studio: Studio, startpoint: str, measure: str, separate: bool) -> None:
    options = {"scaling_startpoint": startpoint, "variability_measure": measure, "separate_feature_channels": separate}
    picture = made(studio, 14, mimic_scale=5.0, threshold_percentile=0.98, **options)
    red, green, blue = picture[56:72, 56:72].mean((0, 1))
    assert red > 130 and max(green, blue) < 120


def test_curves_begin_and_end_where_they_should(studio: Studio) -> None:
    curves = studio.module("curves")

    def ends(curve: str) -> tuple[float, float]:
        return tuple(curves.scale_at(curve, step, 11, 9.0, 1.0, 4.0) for step in (0, 10))

    assert ends("Constant") == (9.0, 9.0)
    assert ends("Linear Down") == (9.0, 1.0) and ends("Linear Up") == (1.0, 9.0)
    for curve in ("Cosine Down", "Power Down"):
        assert ends(curve) == pytest.approx((9.0, 1.0), abs=1e-6)
    for curve in ("Cosine Up", "Power Up"):
        assert ends(curve) == pytest.approx((1.0, 9.0), abs=1e-6)
    for curve in curves.CURVES:
        middle = [curves.scale_at(curve, step, 11, 9.0, 1.0, 4.0) for step in range(11)]
        assert min(middle) >= 1.0 - 1e-9 and max(middle) <= 9.0 + 1e-9
    assert curves.scale_at("Linear Down", 0, 1, 9.0, 1.0, 4.0) == 9.0


def test_its_values_stand_in_the_picture_as_the_well_known_extension_writes_them(studio: Studio) -> None:
    options = {"enabled": True, "mimic_scale": 5.0, "cfg_mode": "Half Cosine Up"}
    (shot,) = studio.make(steps=2, extensions={"dynamic-thresholding": options})
    assert "Dynamic thresholding enabled: True, Mimic scale: 5, " in shot.infotext
    assert "CFG mode: Half Cosine Up" in shot.infotext
