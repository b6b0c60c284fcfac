"""The scheduler classes of diffusers as samplers: a line for each, which says in what form it sees latents."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import diffusers
from torch import Tensor

from webui.core.errors import DarkroomError
from webui.engine.samplers.base import SamplerFunction
from webui.engine.samplers.diffusers_adapter import (
    Form,
    angular,
    as_it_is,
    clean,
    noise_of,
    sampler_of,
    straight,
    unit_variance,
    velocity,
)
from webui.engine.samplers.diffusers_walks import (
    angled,
    curved,
    interleaved,
    interleaved_straight,
    listed,
    listed_straight,
    mixed,
    moved,
    tabled,
    tabled_remembering,
    tabled_twice_first,
    timed_backwards,
    timed_by_level,
)

EDM_DATA = 0.5
"""The spread of the data that the EDM classes take for granted."""


def preconditioned(sample: Tensor, denoised: Tensor, sigma: float) -> Tensor:
    """What an EDM network predicts (Karras et al. 2022, table 1)."""
    both = sigma * sigma + EDM_DATA * EDM_DATA
    return (denoised - sample * (EDM_DATA * EDM_DATA / both)) * (math.sqrt(both) / (sigma * EDM_DATA))


def angle_scale(sigma: float) -> float:
    """The scale of TrigFlow, cos(angle) * clean + sin(angle) * EDM_DATA * noise."""
    return math.hypot(1.0, sigma / EDM_DATA)


def angle_velocity(sample: Tensor, denoised: Tensor, sigma: float) -> Tensor:
    """What a TrigFlow network predicts (Lu and Song 2024, arXiv 2410.11081)."""
    angle = math.atan(sigma / EDM_DATA)
    return (sample * math.cos(angle) - denoised) / math.sin(angle)


def to_clean(sample: Tensor, denoised: Tensor, sigma: float) -> Tensor:
    """For flow classes whose velocity leads to the picture: clean - noise."""
    return -velocity(sample, denoised, sigma)


_SAMPLE: dict[str, Any] = {"prediction_type": "sample"}
_NOISE = noise_of(as_it_is)
_NOISE_OF_UNIT = noise_of(unit_variance)
_VARIANCE_PRESERVING = Form(listed, unit_variance, clean, _SAMPLE)
_EXPLODING = Form(listed, as_it_is, _NOISE)
_TABLE = Form(tabled, unit_variance, clean, {**_SAMPLE, "clip_sample": False})
_OPEN_END = Form(listed, unit_variance, clean, _SAMPLE, reaches_zero=False)
_FLOW = Form(listed_straight, straight, velocity)


def _random(form: Form, **options: Any) -> Form:
    return replace(form, options={**form.options, **options}, random=True)


def _halfway(made: Any, place: int) -> float:
    """The level in the middle of a step, in log sigma."""
    return math.sqrt(float(made.sigmas[place - 1]) * float(made.sigmas[place]))


_FORMS: dict[str, Form] = {
    "DPMSolverMultistepScheduler": _VARIANCE_PRESERVING,
    "DPMSolverSinglestepScheduler": replace(_VARIANCE_PRESERVING, options={**_SAMPLE, "lower_order_final": True}),
    "UniPCMultistepScheduler": _VARIANCE_PRESERVING,
    "DEISMultistepScheduler": _OPEN_END,
    "SASolverScheduler": _random(_OPEN_END),
    "EulerDiscreteScheduler": _EXPLODING,
    "EulerAncestralDiscreteScheduler": _random(_EXPLODING),
    "HeunDiscreteScheduler": Form(interleaved(lambda made, place: float(made.sigmas[place])), as_it_is, _NOISE),
    "KDPM2DiscreteScheduler": Form(
        interleaved(lambda made, place: float(made.sigmas_interpol[place])), as_it_is, _NOISE
    ),
    "KDPM2AncestralDiscreteScheduler": Form(
        interleaved(lambda made, place: float(made.sigmas_interpol[place - 1])), as_it_is, _NOISE, random=True
    ),
    "IPNDMScheduler": Form(mixed, unit_variance, angular),
    "EDMEulerScheduler": Form(listed, as_it_is, preconditioned),
    "EDMDPMSolverMultistepScheduler": Form(listed, as_it_is, preconditioned),
    "DDIMScheduler": _TABLE,
    "DDIMParallelScheduler": _TABLE,
    "CogVideoXDDIMScheduler": _TABLE,
    "DDPMScheduler": _random(_TABLE),
    "DDPMParallelScheduler": _random(_TABLE),
    "UnCLIPScheduler": _random(_TABLE),
    "CogVideoXDPMScheduler": Form(tabled_remembering, unit_variance, clean, _SAMPLE, random=True),
    "DDPMWuerstchenScheduler": Form(timed_by_level, unit_variance, _NOISE_OF_UNIT, random=True),
    "PNDMScheduler": Form(
        tabled_twice_first, unit_variance, _NOISE_OF_UNIT, {"skip_prk_steps": True, "set_alpha_to_one": True}
    ),
    "LCMScheduler": Form(curved, unit_variance, clean, _SAMPLE, random=True),
    "TCDScheduler": Form(curved, unit_variance, clean, _SAMPLE, random=True),
    "SCMScheduler": Form(angled, angle_scale, angle_velocity, random=True),
    "CMStochasticIterativeScheduler": Form(
        listed,
        as_it_is,
        preconditioned,
        {"sigma_min": 0.0, "sigma_max": 1e6, "clip_denoised": False, "num_train_timesteps": 10_000},
        random=True,
    ),
    "FlowMatchEulerDiscreteScheduler": _FLOW,
    "FlowMatchHeunDiscreteScheduler": Form(interleaved_straight, straight, velocity),
    "FlowMapEulerDiscreteScheduler": _FLOW,
    "MiniMaxH3Scheduler": Form(timed_backwards, straight, to_clean),
    "FlowMatchLCMScheduler": _random(_FLOW),
    "LTXEulerAncestralRFScheduler": _random(_FLOW),
    "LMSDiscreteScheduler": _EXPLODING,
    "DPMSolverSDEScheduler": Form(moved(interleaved(_halfway)), as_it_is, _NOISE),
    "CosineDPMSolverMultistepScheduler": Form(
        moved(listed), as_it_is, preconditioned, {"sigma_data": EDM_DATA, "prediction_type": "epsilon"}
    ),
}


def __getattr__(name: str) -> SamplerFunction:
    """The sampler of a class, by the class's name, as the table of rows calls it."""
    if name not in _FORMS:
        raise AttributeError(f"There is no form for a scheduler class '{name}'.")
    kind = getattr(diffusers, name)
    # What stands for a class whose package was not there when diffusers was imported.
    if missing := [package for package in getattr(kind, "_backends", ()) if package != "torch"]:
        raise DarkroomError(
            f"{name} needs the package {missing[0]}, which was not there when this worker started. "
            "Start the program again once it is installed, or choose another sampler."
        )
    return sampler_of(kind, _FORMS[name])
