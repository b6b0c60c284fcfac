"""Classifier-free guidance of a lane: how strong, and in which steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from webui.core.request import GenerationRequest

# Weights of texts between AND that add up to less have no mean.
_LEAST_TOTAL = 1e-6


@dataclass(frozen=True, slots=True)
class Guidance:
    """How the predictions with the prompt and with the negative one become one (Ho and Salimans 2022).

    scale: 1 is the prompt's alone. The others are fields of a request (core/speed_fields.py) that leave guidance out of
    some steps.
    """

    scale: float
    s_min_uncond: float = 0.0
    s_min_uncond_all: bool = False
    skip_early_cond: float = 0.0
    cfg_end: float = 1.0

    @classmethod
    def of(cls, request: GenerationRequest) -> Guidance:
        """What the request asks for."""
        return cls(
            request.cfg_scale,
            request.s_min_uncond,
            request.s_min_uncond_all,
            request.skip_early_cond,
            request.cfg_end,
        )

    def is_asked(self, sigma: float, step: int, steps: int, call: int) -> bool:
        """Whether a question of the sampler at this noise level is answered with guidance.

        step: its number from 0, of `steps`. call: the number of the question from 0, which is more than the step's with
        samplers that ask several times; A1111's every other step is every other question.
        """
        if self.skip_early_cond > 0.0 and step / steps <= self.skip_early_cond:
            return False
        if self.cfg_end < 1.0 and step / steps >= self.cfg_end:
            return False
        return not (sigma < self.s_min_uncond and (call % 2 or self.s_min_uncond_all))

    def join(self, uncond: Tensor, cond: Tensor) -> Tensor:
        """One prediction of both, of any equal shapes."""
        return torch.lerp(uncond, cond, self.scale)


def composed(uncond: Tensor | None, rows: Tensor, weights: Sequence[Sequence[float]]) -> Tensor:
    """Of each picture one prediction in place of those with each of its prompt's texts between AND (Liu et al. 2022).

    uncond: the prediction (pictures, channels, ...) from which each text leads away by its weight; where there is none,
    the weights say how much of each is in a mean, and if one is negative, the first text is led away from. rows:
    picture after picture, text after text. weights: theirs.
    """
    if all(tuple(some) == (1.0,) for some in weights):
        return rows
    parts = rows.split([len(some) for some in weights])
    starts = [None] * len(weights) if uncond is None else uncond.split(1)
    return torch.cat([_composed(*each) for each in zip(starts, parts, weights, strict=True)])


def _composed(uncond: Tensor | None, rows: Tensor, weights: Sequence[float]) -> Tensor:
    """Of one picture, (1, channels, ...)."""
    if uncond is None:
        # Those below zero, or that add up to nothing, have no mean; they lead away from the first, as in A1111.
        total = sum(weights)
        has_mean = min(weights) >= 0 and total > _LEAST_TOTAL
        uncond, weights = (rows[:1] * 0, [one / total for one in weights]) if has_mean else (rows[:1], weights)
    made = uncond.clone()
    for row, weight in zip(rows.split(1), weights, strict=True):
        made += (row - uncond) * weight
    return made


@dataclass(frozen=True, slots=True, eq=False)
class Guided:
    """One answer of the model to a sampler's question, as a guidance function of an extension sees it.

    All tensors are (batch, channels, height/8, width/8) float32 and predict clean latents, but for `x`, the noisy
    latents that were asked about, at noise level `sigma`. step: from 0, of `steps`; samplers of second order ask
    several times in one. cond, uncond: the predictions with the prompt (of one with AND what its texts make together)
    and with the negative prompt; uncond is None where guidance is off or left out. scale: the CFG scale. denoised: the
    two as one, by plain guidance and by the functions that were called before. flow: whether x is (1 - sigma) of the
    clean latents and sigma of noise, as flow models have it; else it is the clean latents and sigma of noise. indices,
    seeds: of each picture in the tensors, its number in the request from 0 and its seed.
    """

    x: Tensor
    sigma: float
    step: int
    steps: int
    cond: Tensor
    uncond: Tensor | None
    scale: float
    denoised: Tensor
    request: GenerationRequest
    flow: bool
    indices: tuple[int, ...] = ()
    seeds: tuple[int, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
