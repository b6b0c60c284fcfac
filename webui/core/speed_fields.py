"""The fields of a request that trade a little of the picture for speed; rows of core/fields.py, all off by default.

Names, limits and keys of infotexts are A1111's where it has them, whose settings they are; `cfg_end` is SD.Next's.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from webui.core.field import Field
from webui.core.noise_fields import NOISE
from webui.core.number_fields import number_field

SPEED = "speed"
"""The group of these fields."""
LEAST_TILE = 128
"""Pixels; A1111's slider begins at 0, and whatever is below this means it there."""
TILE_KEY = "Hypertile U-Net max tile size"
"""Key in infotexts."""

SPEED_ROWS: tuple[Field, ...] = (
    number_field(
        "s_min_uncond",
        "Negative Guidance minimum sigma",
        "Below this noise level every other step leaves CFG out, which halves its cost there; 0 is off. "
        "Fine detail changes a little (A1111's NGMS).",
        0.0,
        (0.0, 15.0),
        "NGMS",
        group=SPEED,
        step=0.01,
    ),
    Field(
        "s_min_uncond_all",
        "bool",
        "Negative Guidance minimum sigma all steps",
        "Leave CFG out of each step below that level, not of every other one: faster, and further from the picture "
        "(A1111's NGMS).",
        False,
        infotext="NGMS all steps",
        group=SPEED,
        abilities=(NOISE,),
    ),
    number_field(
        "skip_early_cond",
        "Ignore negative prompt during early sampling",
        "CFG begins after this share of the steps; 0 is off. Each step without it costs half. The composition changes, "
        "often to more variety (A1111's Skip Early CFG).",
        0.0,
        (0.0, 1.0),
        "Skip Early CFG",
        group=SPEED,
        step=0.01,
    ),
    number_field(
        "cfg_end",
        "Guidance end",
        "CFG ends after this share of the steps; 1 is off. Each step without it costs half. Fine detail follows the "
        "prompt less. With the one above: guidance in an interval (Kynkäänniemi et al. 2024).",
        1.0,
        (0.0, 1.0),
        "Guidance end",
        group=SPEED,
        step=0.01,
    ),
    number_field(
        "token_merging_ratio",
        "Token merging ratio",
        "Share of a UNet's picture tokens that attention takes together because they are alike; 0 is off, more than "
        "0.75 cannot go. Large pictures gain most; fine detail is lost (Bolya and Hoffman 2023).",
        0.0,
        (0.0, 0.9),
        "Token merging ratio",
        group=SPEED,
        step=0.01,
    ),
    Field(
        "hypertile_enable_unet",
        "bool",
        "Hypertile U-Net",
        "Tokens of a UNet attend to those of their tile alone, and tiles differ from layer to layer. Large pictures "
        "gain most; details change, and far parts may agree less (HyperTile by tfernd).",
        False,
        infotext="Hypertile U-Net",
        group=SPEED,
        abilities=(NOISE,),
    ),
    number_field(
        "hypertile_max_depth_unet",
        "Hypertile U-Net max depth",
        "How far down the UNet layers are cut: 0 only the finest, where attention costs most.",
        3,
        (0, 3),
        "Hypertile U-Net max depth",
        group=SPEED,
        step=1,
    ),
    number_field(
        "hypertile_max_tile_unet",
        TILE_KEY,
        "Side of the finest layers' tiles in pixels; smaller where the picture's sides have only smaller powers of two "
        "in common, larger where nothing fits. Smaller tiles are faster, and further from the picture.",
        256,
        (LEAST_TILE, 1024),
        TILE_KEY,
        group=SPEED,
        step=16,
    ),
    number_field(
        "hypertile_swap_size_unet",
        "Hypertile U-Net swap size",
        "How many ways to cut a side take turns, so that no seam stays; 1 cuts all layers of a size alike.",
        3,
        (1, 64),
        "Hypertile U-Net swap size",
        group=SPEED,
        step=1,
    ),
)

SPEED_OPTIONS: Final[Mapping[str, Field]] = MappingProxyType({row.name: row for row in SPEED_ROWS})
"""By name."""


def counting_of_speed(values: Mapping[str, Any], *, flow: bool) -> frozenset[str]:
    """Those of these fields that can change a picture of these values. flow: of a flow model, which is no UNet."""
    guided = () if values.get("cfg_scale") == 1 else ("s_min_uncond", "skip_early_cond", "cfg_end")
    both = ("s_min_uncond_all",) if guided and values.get("s_min_uncond") else ()
    tiled = tuple(name for name in SPEED_OPTIONS if name.startswith("hypertile_"))
    of_unet = ("token_merging_ratio", *(tiled if values.get("hypertile_enable_unet") else ()))
    return frozenset((*guided, *both, *(() if flow else of_unet)))
