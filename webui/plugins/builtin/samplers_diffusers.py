"""The scheduler classes of diffusers that are samplers here too, one row each."""

from __future__ import annotations

from webui.core.registry import Sampler


def diffusers_samplers() -> list[Sampler]:
    """Rows of the group "diffusers"."""
    return [
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
