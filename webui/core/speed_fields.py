"""The fields of a request that trade a little of the picture for speed; rows of core/fields.py, all off by default.

Names, limits and keys of infotexts are A1111's where it has them, whose settings they are; `cfg_end` is SD.Next's.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from webui.core.field import Field
from webui.core.noise_fields import NOISE

SPEED = "speed"
"""The group of these fields."""


def _share(name: str, label: str, help_: str, default: float, highest: float, key: str) -> Field:
    return Field(
        name,
        "float",
        label,
        help_,
        default,
        minimum=0.0,
        maximum=highest,
        step=0.01,
        infotext=key,
        group=SPEED,
        abilities=(NOISE,),
    )


SPEED_ROWS: tuple[Field, ...] = (
    _share(
        "s_min_uncond",
        "Negative Guidance minimum sigma",
        "Below this noise level every other step leaves CFG out, which halves its cost there; 0 is off. "
        "Fine detail changes a little (A1111's NGMS).",
        0.0,
        15.0,
        "NGMS",
    ),
    Field(
        "s_min_uncond_all",
        "bool",
        "Negative Guidance minimum sigma all steps",
        "Leave CFG out of each step below that level, not of every other one: faster, and less like the picture.",
        False,
        infotext="NGMS all steps",
        group=SPEED,
        abilities=(NOISE,),
    ),
    _share(
        "skip_early_cond",
        "Ignore negative prompt during early sampling",
        "CFG begins after this share of the steps; 0 is off. Each step without it costs half. The composition changes, "
        "often to more variety.",
        0.0,
        1.0,
        "Skip Early CFG",
    ),
    _share(
        "cfg_end",
        "Guidance end",
        "CFG ends after this share of the steps; 1 is off. Each step without it costs half. With the one above: "
        "guidance in an interval (Kynkäänniemi et al. 2024).",
        1.0,
        1.0,
        "Guidance end",
    ),
    _share(
        "token_merging_ratio",
        "Token merging ratio",
        "Share of a UNet's picture tokens that attention takes together because they are alike; 0 is off, more than "
        "0.75 cannot go. Large pictures gain most; fine detail is lost (Bolya and Hoffman 2023).",
        0.0,
        0.9,
        "Token merging ratio",
    ),
)

SPEED_OPTIONS: Final[Mapping[str, Field]] = MappingProxyType({row.name: row for row in SPEED_ROWS})
"""By name."""


def counting_of_speed(values: Mapping[str, Any], *, flow: bool) -> frozenset[str]:
    """Those of these fields that can change a picture of these values. flow: of a flow model, which is no UNet."""
    guided = () if values.get("cfg_scale") == 1 else ("s_min_uncond", "skip_early_cond", "cfg_end")
    both = ("s_min_uncond_all",) if guided and values.get("s_min_uncond") else ()
    return frozenset((*guided, *both, *(() if flow else ("token_merging_ratio",))))
