"""The fields of a request that are options of its sampler and its schedule; rows of core/fields.py.

Names, defaults and, but for UniPC's order, limits are A1111's, whose settings they are. So they are settings here too
(core/setting_rows.py): the defaults of requests that do not say. Which of them count, rows of samplers and schedules
say (core/sampler_options.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final, Literal, get_args

from webui.core.field import Field
from webui.core.noise_fields import NOISE
from webui.core.number_fields import number_field

Variant = Literal["bh1", "bh2", "vary_coeff"]
VARIANTS: Final[tuple[Variant, ...]] = get_args(Variant)
SkipType = Literal["time_uniform", "time_quadratic", "logSNR"]
SKIP_TYPES: Final[tuple[SkipType, ...]] = get_args(SkipType)

SAMPLING = "sampling"
"""The group of these fields."""

LEAST_RHO = 0.1
"""Below it numbers overflow."""

MOST_ORDER = 8
"""Above it UniPC's weights are lost to rounding where there are many steps; A1111's slider goes to 50."""

_HIGHEST = 10_000.0
"""Above the noise of any model: those that were trained to pure noise begin at about 4518."""


_number = partial(number_field, group=SAMPLING)


def _choice(name: str, label: str, help_: str, choices: tuple[str, ...]) -> Field:
    return Field(
        name,
        "choice",
        label,
        help_,
        choices[0],
        maximum=20,
        choices=choices,
        infotext=label,
        group=SAMPLING,
        abilities=(NOISE,),
    )


def _switch(name: str, label: str, help_: str, default: bool, key: str) -> Field:
    return Field(name, "bool", label, help_, default, infotext=key, group=SAMPLING, abilities=(NOISE,))


_CHURNED = "Of Euler, Heun and DPM2."

SAMPLER_ROWS: tuple[Field, ...] = (
    _number(
        "eta",
        "Eta",
        "How much fresh noise ancestral and SDE samplers add in each step: 1 is as published, 0 none.",
        1.0,
        (0.0, 1.0),
        "Eta",
    ),
    _number("eta_ddim", "Eta for DDIM", "The same of DDIM and DDIM CFG++.", 0.0, (0.0, 1.0), "Eta DDIM"),
    _number(
        "s_churn",
        "Sigma churn",
        f"How much noise is added before the steps, over all of them. {_CHURNED}",
        0.0,
        (0.0, 100.0),
        "Sigma churn",
    ),
    _number(
        "s_tmin",
        "Sigma tmin",
        f"The lowest noise level at which churn adds noise. {_CHURNED}",
        0.0,
        (0.0, 10.0),
        "Sigma tmin",
    ),
    _number(
        "s_tmax",
        "Sigma tmax",
        f"The highest noise level at which churn adds noise; 0 is no bound. {_CHURNED}",
        0.0,
        (0.0, 999.0),
        "Sigma tmax",
    ),
    _number(
        "s_noise",
        "Sigma noise",
        "Size of the noise that churned, SDE and some ancestral samplers add; above 1 makes up for lost detail.",
        1.0,
        (0.0, 1.1),
        "Sigma noise",
    ),
    _number(
        "sigma_min",
        "Sigma min",
        "The lowest noise level of schedules that have two ends (Karras and its kin); 0 takes the model's.",
        0.0,
        (0.0, _HIGHEST),
        "Schedule min sigma",
    ),
    _number(
        "sigma_max",
        "Sigma max",
        "The highest noise level of these schedules; 0 takes the model's.",
        0.0,
        (0.0, _HIGHEST),
        "Schedule max sigma",
    ),
    _number(
        "rho",
        "Rho",
        "How steeply the noise falls in the schedules Karras (7) and Polyexponential (1); 0 takes the schedule's own.",
        0.0,
        (0.0, 100.0),
        "Schedule rho",
    ),
    _number(
        "beta_dist_alpha",
        "Beta schedule alpha",
        "First parameter of the distribution that the schedule Beta spreads its noise levels by.",
        0.6,
        (0.01, 1.0),
        "Beta schedule alpha",
    ),
    _number(
        "beta_dist_beta",
        "Beta schedule beta",
        "Second parameter of the same.",
        0.6,
        (0.01, 1.0),
        "Beta schedule beta",
    ),
    _switch(
        "always_discard_next_to_last_sigma",
        "Discard next-to-last sigma",
        "Leave out the noise level before the last with every sampler, as DPM2 and DPM++ 3M SDE do anyway.",
        False,
        "Discard penultimate sigma",
    ),
    _switch(
        "sgm_noise_multiplier",
        "SGM noise multiplier",
        "Start from a little more noise, as SDXL's own program does.",
        False,
        "SGM noise multiplier",
    ),
    _choice(
        "uni_pc_variant",
        "UniPC variant",
        "The form of UniPC's steps: B1(h) (bh1), B2(h) (bh2) or coefficients that vary (vary_coeff).",
        VARIANTS,
    ),
    _choice(
        "uni_pc_skip_type",
        "UniPC skip type",
        "UniPC's own noise levels are even in time, in the root of time (time_quadratic) or in log SNR.",
        SKIP_TYPES,
    ),
    Field(
        "uni_pc_order",
        "int",
        "UniPC order",
        "How many answers UniPC's steps look back at; no more than there are steps.",
        3,
        minimum=1,
        maximum=MOST_ORDER,
        infotext="UniPC order",
        group=SAMPLING,
        abilities=(NOISE,),
    ),
    _switch(
        "uni_pc_lower_order_final",
        "UniPC lower order final",
        "UniPC's last steps are of lower order: steadier where there are few steps.",
        True,
        "UniPC lower order final",
    ),
)

OPTIONS: Mapping[str, Field] = MappingProxyType({row.name: row for row in SAMPLER_ROWS})

ENDS = ("sigma_min", "sigma_max")
OF_LEVELS = (*ENDS, "rho", "beta_dist_alpha", "beta_dist_beta", "uni_pc_skip_type")
"""Those that shape noise levels: what rows of schedules can name."""


def setting_of(name: str) -> str:
    """The setting that gives a field its default: A1111's option, which is called as the field but for eta."""
    return "eta_ancestral" if name == "eta" else name


def check_ends(values: Mapping[str, Any]) -> None:
    """Raise InvalidField for a lowest noise level that is not below the highest; 0 stands for one that is not known."""
    low, high = (values.get(name) or 0.0 for name in ENDS)
    if low and high and not 0.0 < low < high:
        raise OPTIONS["sigma_min"].refuse(
            f"is {low:g}; it must be above 0 and below sigma max, which is {high:g}.",
            "Set both to 0 to take the model's own",
        )


def check_ends_of_flow(values: Mapping[str, Any]) -> None:
    """Raise InvalidField for a noise level that a flow model does not have."""
    for name in ENDS:
        if (values.get(name) or 0.0) > 1.0:
            raise OPTIONS[name].refuse(
                f"is {values[name]:g}; the noise of this model ends at 1.", "Set it to 0 to take the model's own"
            )


def check_rho(values: Mapping[str, Any]) -> None:
    """Raise InvalidField for a rho that is so small that no computer could raise a noise level to 1 / rho."""
    rho = values.get("rho") or LEAST_RHO
    if rho < LEAST_RHO:
        raise OPTIONS["rho"].refuse(
            f"is {rho:g}; it must be 0, which takes the schedule's own, or at least {LEAST_RHO:g}.",
            "Use 0",
            f"Use {LEAST_RHO:g}",
        )
