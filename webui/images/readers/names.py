"""Samplers and schedules as k-diffusion's heirs call them (ComfyUI, Fooocus, SwarmUI, InvokeAI), by A1111's labels."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_SAMPLERS: Mapping[str, str] = MappingProxyType(
    {
        "euler": "Euler",
        "euler_ancestral": "Euler a",
        "euler_a": "Euler a",
        "heun": "Heun",
        "dpm_2": "DPM2",
        "dpm_2_ancestral": "DPM2 a",
        "kdpm_2": "DPM2",
        "kdpm_2_a": "DPM2 a",
        "lms": "LMS",
        "dpm_fast": "DPM fast",
        "dpm_adaptive": "DPM adaptive",
        "dpmpp_2s": "DPM++ 2S a",
        "dpmpp_2s_ancestral": "DPM++ 2S a",
        "dpmpp_sde": "DPM++ SDE",
        "dpmpp_2m": "DPM++ 2M",
        "dpmpp_2m_sde": "DPM++ 2M SDE",
        "dpmpp_2m_sde_heun": "DPM++ 2M SDE Heun",
        "dpmpp_3m_sde": "DPM++ 3M SDE",
        "lcm": "LCM",
        "ddim": "DDIM",
        "ddpm": "DDPM",
        "plms": "PLMS",
        "pndm": "PLMS",
        "uni_pc": "UniPC",
        "unipc": "UniPC",
        "restart": "Restart",
    }
)
_SCHEDULES: Mapping[str, str] = MappingProxyType(
    {
        "normal": "Normal",
        "karras": "Karras",
        "exponential": "Exponential",
        "polyexponential": "Polyexponential",
        "sgm_uniform": "SGM Uniform",
        "simple": "Simple",
        "ddim_uniform": "DDIM",
        "beta": "Beta",
        "kl_optimal": "KL Optimal",
        "turbo": "Turbo",
        "align_your_steps": "Align Your Steps",
        "native": "Automatic",
    }
)
_PLACES = ("k_", "_gpu", "_cpu")
"""What says nothing about the method: a library's sign, or where noise is drawn."""


def sampler(name: object) -> object:
    """A1111's label; a name that is not known as it is."""
    if not isinstance(name, str):
        return name
    bare = name.strip().lower().removeprefix(_PLACES[0])
    for ending in _PLACES[1:]:
        bare = bare.removesuffix(ending)
    return _SAMPLERS.get(bare, name)


def schedule(name: object) -> object:
    """A1111's label; a name that is not known as it is."""
    return _SCHEDULES.get(name.strip().lower(), name) if isinstance(name, str) else name
