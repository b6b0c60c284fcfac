"""The scheduler classes of diffusers that are samplers here too, one row each."""

from __future__ import annotations

from webui.core.registry import Sampler

GROUP = "diffusers"

_CLASSES = "webui.engine.samplers.diffusers_classes:"

# (what it is called here, the class, the schedule that is nearest to the class's own; the package that it needs)
_ROWS = (
    ("DPM-Solver++", "DPMSolverMultistepScheduler", "SGM Uniform"),
    ("DPM-Solver++ singlestep", "DPMSolverSinglestepScheduler", "SGM Uniform"),
    ("UniPC", "UniPCMultistepScheduler", "SGM Uniform"),
    ("DEIS", "DEISMultistepScheduler", "SGM Uniform"),
    ("SA-Solver", "SASolverScheduler", "SGM Uniform"),
    ("Euler", "EulerDiscreteScheduler", "Uniform"),
    ("Euler a", "EulerAncestralDiscreteScheduler", "Uniform"),
    ("Heun", "HeunDiscreteScheduler", "Uniform"),
    ("DPM2", "KDPM2DiscreteScheduler", "Uniform"),
    ("DPM2 a", "KDPM2AncestralDiscreteScheduler", "Uniform"),
    ("IPNDM", "IPNDMScheduler", "SGM Uniform"),
    ("PNDM", "PNDMScheduler", "SGM Uniform"),
    ("DDIM", "DDIMScheduler", "SGM Uniform"),
    ("DDIM parallel", "DDIMParallelScheduler", "SGM Uniform"),
    ("DDPM", "DDPMScheduler", "SGM Uniform"),
    ("DDPM parallel", "DDPMParallelScheduler", "SGM Uniform"),
    ("unCLIP", "UnCLIPScheduler", "SGM Uniform"),
    ("Würstchen DDPM", "DDPMWuerstchenScheduler", "SGM Uniform"),
    ("CogVideoX DDIM", "CogVideoXDDIMScheduler", "SGM Uniform"),
    ("CogVideoX DPM", "CogVideoXDPMScheduler", "SGM Uniform"),
    ("EDM Euler", "EDMEulerScheduler", "Karras"),
    ("EDM DPM-Solver++", "EDMDPMSolverMultistepScheduler", "Karras"),
    ("LCM", "LCMScheduler", "SGM Uniform"),
    ("TCD", "TCDScheduler", "SGM Uniform"),
    ("SCM", "SCMScheduler", "SGM Uniform"),
    ("Consistency", "CMStochasticIterativeScheduler", "Karras"),
    ("Flow Euler", "FlowMatchEulerDiscreteScheduler", "SGM Uniform"),
    ("Flow Heun", "FlowMatchHeunDiscreteScheduler", "SGM Uniform"),
    ("Flow LCM", "FlowMatchLCMScheduler", "SGM Uniform"),
    ("Flow map Euler", "FlowMapEulerDiscreteScheduler", "SGM Uniform"),
    ("LTX Euler a", "LTXEulerAncestralRFScheduler", "SGM Uniform"),
    ("MiniMax-H3", "MiniMaxH3Scheduler", "SGM Uniform"),
    ("LMS", "LMSDiscreteScheduler", "Uniform", "scipy"),
    ("DPM-Solver SDE", "DPMSolverSDEScheduler", "Uniform", "torchsde"),
    ("Cosine DPM-Solver++", "CosineDPMSolverMultistepScheduler", "Exponential", "torchsde"),
)


def diffusers_samplers() -> list[Sampler]:
    """Rows of a group of their own; each has its class's name as an alias."""
    return [
        Sampler(f"{name} (diffusers)", _CLASSES + kind, (kind,), schedule, group=GROUP, package="".join(package))
        for name, kind, schedule, *package in _ROWS
    ]
