"""Acceptance of what trades the picture for speed: settings are defaults, what counts is said, texts mean it."""

from __future__ import annotations

from typing import Any

import pytest

from webui import accept
from webui.core import infotext
from webui.core.errors import InvalidField
from webui.core.registry import Registry
from webui.core.request import GenerationRequest
from webui.core.speed_fields import SPEED_OPTIONS, counting_of_speed
from webui.engine.checkpoints.catalogue import Catalogue

PICTURE = "x\nSteps: 4, Sampler: Euler, CFG scale: 7, Seed: 1, Size: 64x64"

# Values of fields, and what A1111 and SD.Next write.
SAID = [
    ({"s_min_uncond": 1.5}, "NGMS: 1.5"),
    ({"s_min_uncond": 2.0, "s_min_uncond_all": True}, "NGMS: 2, NGMS all steps: True"),
    ({"skip_early_cond": 0.25}, "Skip Early CFG: 0.25"),
    ({"cfg_end": 0.75}, "Guidance end: 0.75"),
    ({"token_merging_ratio": 0.5}, "Token merging ratio: 0.5"),
    ({"hypertile_enable_unet": True}, "Hypertile U-Net: True"),
    (
        {
            "hypertile_enable_unet": True,
            "hypertile_max_depth_unet": 1,
            "hypertile_max_tile_unet": 192,
            "hypertile_swap_size_unet": 2,
        },
        "Hypertile U-Net: True, Hypertile U-Net max depth: 1, Hypertile U-Net max tile size: 192, "
        "Hypertile U-Net swap size: 2",
    ),
]


def speed_of(request: GenerationRequest) -> dict[str, Any]:
    """Its values that are no defaults."""
    return {name: value for name, row in SPEED_OPTIONS.items() if (value := getattr(request, name)) != row.default}


@pytest.mark.parametrize(("values", "said"), SAID, ids=[said for _, said in SAID])
def test_what_is_asked_is_said_and_read_again(
    accepted: Any, catalogue: Catalogue, registry: Registry, values: dict[str, Any], said: str
) -> None:
    made = accepted(**values)
    assert speed_of(made) == values
    text = infotext.write(made, version="Darkroom 1")
    assert f", {said}, " in text
    read = accept.canonical(infotext.parse(text), registry, catalogue).values
    assert accepted(**read) == made
    theirs = accept.canonical(infotext.parse(f"{PICTURE}, {said}, Version: v1.10.1"), registry, catalogue).values
    assert theirs.items() >= values.items()


@pytest.mark.parametrize(("values", "_"), SAID)
def test_a_setting_is_the_default_and_a_text_without_it_means_off(
    accepted: Any, catalogue: Catalogue, registry: Registry, values: dict[str, Any], _: str
) -> None:
    assert speed_of(accepted(values)) == values
    off = accept.canonical(infotext.parse(f"{PICTURE}, Version: v1.10.1"), registry, catalogue).values
    assert speed_of(accepted(values, **off)) == {}


def test_what_cannot_count_is_not_said(accepted: Any) -> None:
    assert speed_of(accepted(cfg_scale=1.0, s_min_uncond=3.0, skip_early_cond=0.5, cfg_end=0.5)) == {}
    assert speed_of(accepted(s_min_uncond_all=True)) == {}
    assert speed_of(accepted(hypertile_max_depth_unet=1, hypertile_max_tile_unet=128)) == {}


def test_transformers_have_no_shortcuts() -> None:
    values = {"hypertile_enable_unet": True, "token_merging_ratio": 0.5, "cfg_scale": 5.0}
    of_unets = {name for name in SPEED_OPTIONS if name.startswith(("hypertile", "token"))}
    assert counting_of_speed(values, flow=False) >= of_unets and not counting_of_speed(values, flow=True) & of_unets


def test_a1111s_small_tiles_are_read_as_what_they_are_there() -> None:
    read = infotext.parse(f"{PICTURE}, Hypertile U-Net: True, Hypertile U-Net max tile size: 0, Version: v1.10.1")
    assert read.values["hypertile_max_tile_unet"] == 128


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("s_min_uncond", 16),
        ("skip_early_cond", 1.5),
        ("cfg_end", -0.1),
        ("hypertile_max_tile_unet", 0),
        ("hypertile_max_tile_unet", 10**30),
        ("hypertile_swap_size_unet", 0),
        ("hypertile_max_depth_unet", 4),
    ],
)
def test_values_out_of_range_are_refused(accepted: Any, name: str, value: float) -> None:
    enabled = {"hypertile_enable_unet": True} if name.startswith("hypertile") else {}
    with pytest.raises(InvalidField, match="it must be between"):
        accepted(**{name: value}, **enabled)
