"""diffusers' scheduler classes as samplers: a generator between our (x, sigma, denoised) and the class's scale."""

from __future__ import annotations

import math
from typing import Any

import torch
from diffusers import DPMSolverMultistepScheduler, UniPCMultistepScheduler
from torch import Tensor

from webui.engine.samplers.base import Ask, SamplerContext, Sampling


def dpm_solver_multistep(x: Tensor, context: SamplerContext) -> Sampling:
    """diffusers' DPMSolverMultistepScheduler with its defaults: dpmsolver++, midpoint, second order."""
    return through_class(DPMSolverMultistepScheduler, x, context)


def unipc_multistep(x: Tensor, context: SamplerContext) -> Sampling:
    """diffusers' UniPCMultistepScheduler with its defaults: bh2, second order, corrected after each ask."""
    return through_class(UniPCThatListens, x, context)


def through_class(kind: Any, x: Tensor, context: SamplerContext) -> Sampling:
    """Samples with a variance-preserving scheduler class that keeps its levels in `sigmas` and predicts samples.

    The class works on x / sqrt(1 + sigma^2). It gets our levels in place of its own, an instance for each call, and
    denoised latents as predictions of type "sample", so whatever the model predicts never concerns it. Its levels
    and timesteps stay on the host, and the place in them is counted, not searched for: no step waits for the device
    on our account (UniPC's own corrector does: it solves a 2 x 2 system there).
    """
    scheduler = prepared(kind, context)
    for step, sigma in enumerate(context.sigmas[:-1]):
        answer = yield Ask(x, sigma, step)
        sample = x / math.hypot(1.0, sigma)
        sample = scheduler.step(answer.denoised, scheduler.timesteps[step], sample, return_dict=False)[0]
        x = sample * math.hypot(1.0, context.sigmas[step + 1])
    return x


def prepared(kind: Any, context: SamplerContext) -> Any:
    """An instance of the class that stands before the first of the context's steps."""
    scheduler = kind(
        prediction_type="sample",
        final_sigmas_type="zero" if context.sigmas[-1] == 0.0 else "sigma_min",
    )
    scheduler.set_timesteps(len(context.sigmas) - 1, device="cpu")
    scheduler.sigmas = torch.tensor(context.sigmas, dtype=torch.float32)
    scheduler.timesteps = torch.tensor([context.model.timestep(sigma) for sigma in context.sigmas[:-1]])
    # Looked up by their timestep, levels beyond the model's ends would be taken for one another.
    scheduler.set_begin_index(0)
    return scheduler


class UniPCThatListens(UniPCMultistepScheduler):  # type: ignore[misc]  # diffusers has no types
    """UniPC whose corrector keeps what somebody else changed in the sample since its last step.

    The corrector computes the sample anew from the step before, which would undo the changes of hooks.
    """

    def step(self, *args: Any, **kwargs: Any) -> Any:
        """The class's own step, of which the predicted sample is remembered."""
        result = super().step(*args, **kwargs)
        self._predicted = result[0]
        return result

    def multistep_uni_c_bh_update(self, *args: Any, this_sample: Tensor, **kwargs: Any) -> Tensor:
        """The corrected sample, moved by as much as the given one is off the predicted one."""
        corrected = super().multistep_uni_c_bh_update(*args, this_sample=this_sample, **kwargs)
        return corrected + (this_sample - self._predicted)
