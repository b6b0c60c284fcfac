"""diffusers' scheduler classes as samplers: a generator between our (x, sigma, denoised) and the class's scale."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import torch
from diffusers import DPMSolverMultistepScheduler, UniPCMultistepScheduler
from torch import Tensor

from webui.engine.samplers.base import Ask, ModelSchedule, SamplerContext, Sampling


def dpm_solver_multistep(x: Tensor, context: SamplerContext) -> Sampling:
    """diffusers' DPMSolverMultistepScheduler with its defaults: dpmsolver++, midpoint, second order."""
    return through_class(DPMSolverMultistepScheduler, x, context)


def unipc_multistep(x: Tensor, context: SamplerContext) -> Sampling:
    """diffusers' UniPCMultistepScheduler with its defaults: bh2, second order, corrected after each ask."""
    return through_class(UniPCMultistepScheduler, x, context)


def through_class(kind: Any, x: Tensor, context: SamplerContext) -> Sampling:
    """Samples with a variance-preserving scheduler class that keeps its levels in `sigmas` and predicts samples.

    The class works on x / sqrt(1 + sigma^2). It gets our levels in place of its own, an instance for each call, and
    denoised latents as predictions of type "sample", so whatever the model predicts never concerns it. Its levels
    and timesteps stay on the host, and the place in them is counted, not searched for: no step waits for the device
    on our account (UniPC's own corrector does: it solves a 2 x 2 system there).
    """
    scheduler = prepared(kind, context)
    sample = x / math.hypot(1.0, context.sigmas[0])
    for step, sigma in enumerate(context.sigmas[:-1]):
        answer = yield Ask(sample * math.hypot(1.0, sigma), sigma, step)
        sample = scheduler.step(answer.denoised, scheduler.timesteps[step], sample, return_dict=False)[0]
    return sample * math.hypot(1.0, context.sigmas[-1])


def prepared(kind: Any, context: SamplerContext) -> Any:
    """An instance of the class that stands before the first of the context's steps."""
    scheduler = kind(
        num_train_timesteps=len(context.model.sigmas),
        trained_betas=betas(context.model),
        prediction_type="sample",
        final_sigmas_type="zero" if context.sigmas[-1] == 0.0 else "sigma_min",
    )
    scheduler.set_timesteps(len(context.sigmas) - 1, device="cpu")
    scheduler.sigmas = torch.tensor(context.sigmas, dtype=torch.float32)
    scheduler.timesteps = torch.tensor([context.model.timestep(sigma) for sigma in context.sigmas[:-1]])
    scheduler.num_inference_steps = len(scheduler.timesteps)
    scheduler.set_begin_index(0)
    return scheduler


def betas(model: ModelSchedule) -> list[float]:
    """The variance that each training timestep adds, from the model's noise levels."""
    alphas = [1.0, *(1.0 / (1.0 + sigma * sigma) for sigma in model.sigmas)]
    return [1.0 - after / before for before, after in pairwise(alphas)]
