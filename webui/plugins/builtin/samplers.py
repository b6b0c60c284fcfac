"""The built-in samplers and schedules, one row each, with A1111's names, aliases and defaults."""

from __future__ import annotations

from webui.core.registry import Sampler, Schedule
from webui.plugins.hooks import hookimpl

CHURN = ("s_churn", "s_tmin", "s_tmax", "s_noise")


@hookimpl
def samplers() -> list[Sampler]:
    """Sampling methods, in the order they are listed."""
    return [
        Sampler("DPM++ 2M", "webui.engine.samplers.dpmpp:dpmpp_2m", aliases=("k_dpmpp_2m",), schedule="Karras"),
        Sampler(
            "DPM++ 2M SDE",
            "webui.engine.samplers.dpmpp:dpmpp_2m_sde",
            aliases=("k_dpmpp_2m_sde",),
            schedule="Exponential",
            options=("eta", "s_noise"),
        ),
        Sampler(
            "Euler a",
            "webui.engine.samplers.euler:euler_ancestral",
            aliases=("k_euler_a", "k_euler_ancestral"),
            options=("eta", "s_noise"),
        ),
        Sampler("Euler", "webui.engine.samplers.euler:euler", aliases=("k_euler",), options=CHURN),
        Sampler("Heun", "webui.engine.samplers.heun:heun", aliases=("k_heun",), order=2, options=CHURN),
        Sampler(
            "DDIM",
            "webui.engine.samplers.ddim:ddim",
            schedule="Uniform",
            options=("eta", "s_noise"),
            uses_timesteps=True,
        ),
        Sampler(
            "DPM-Solver++ (diffusers)",
            "webui.engine.samplers.diffusers_adapter:dpm_solver_multistep",
            aliases=("DPMSolverMultistepScheduler",),
            schedule="SGM Uniform",
            group="diffusers",
        ),
        Sampler(
            "UniPC (diffusers)",
            "webui.engine.samplers.diffusers_adapter:unipc_multistep",
            aliases=("UniPCMultistepScheduler",),
            schedule="SGM Uniform",
            group="diffusers",
        ),
    ]


@hookimpl
def schedules() -> list[Schedule]:
    """Tables of noise levels, in A1111's order. Automatic is the sampler's own, and Uniform where that is Automatic."""
    return [
        Schedule("Automatic", "webui.engine.schedules:uniform"),
        Schedule("Uniform", "webui.engine.schedules:uniform"),
        Schedule("Karras", "webui.engine.schedules:karras"),
        Schedule("Exponential", "webui.engine.schedules:exponential"),
        Schedule("SGM Uniform", "webui.engine.schedules:sgm_uniform", aliases=("sgm_uniform", "SGMUniform")),
        Schedule("Simple", "webui.engine.schedules:simple"),
        Schedule("Normal", "webui.engine.schedules:normal"),
    ]
