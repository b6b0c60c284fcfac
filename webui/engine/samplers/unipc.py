"""UniPC: a predictor and a corrector of one order, whose correction costs no ask of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from webui.core.errors import InvalidField
from webui.core.sampler_fields import VARIANTS
from webui.engine.samplers.base import Ask, SamplerContext, Sampling
from webui.engine.samplers.noise_ratio import in_noise_ratio, in_own_scale
from webui.engine.samplers.steps import towards


@in_own_scale
@in_noise_ratio
def unipc(x: Tensor, context: SamplerContext) -> Sampling:
    """UniPC on clean pictures (Zhao et al. 2023, arXiv 2302.04867, algorithms 5 to 8), with A1111's options.

    Options: uni_pc_variant ("bh1"), uni_pc_order (3), uni_pc_lower_order_final (on); uni_pc_skip_type is the
    schedule's (`schedules.unipc_levels`). The final latent is in the model's own scale, as DDIM's.
    """
    variant = _variant(context)
    steps = len(context.sigmas) - 1
    most = max(1, min(int(context.number("uni_pc_order", 3.0)), steps))
    lowers = bool(context.number("uni_pc_lower_order_final", 1.0))
    levels: list[float] = []
    answers: list[Tensor] = []
    moved = predicted = x
    for step in range(steps):
        sigma, following = context.sigmas[step], context.sigmas[step + 1]
        denoised = (yield Ask(moved, sigma, step)).denoised
        if answers:
            corrected = _step(x, [denoised, *answers], [sigma, *levels], variant, corrects=True)
            # What a hook changed in the latent that was asked with is changed in the corrected one too.
            x = corrected + (moved - predicted)
        levels, answers = [sigma, *levels][:most], [denoised, *answers][:most]
        order = min(len(levels), steps - step if lowers else most)
        if following == 0.0:
            return denoised
        predicted = _step(x, answers[:order], [following, *levels[:order]], variant, corrects=False)
        # Asked with a tensor of its own, so that a hook's change can be seen.
        moved = predicted.clone()
        levels, answers = levels[:order], answers[:order]
    return moved


def _variant(context: SamplerContext) -> str:
    variant = context.word("uni_pc_variant", VARIANTS[0])
    if variant not in VARIANTS:
        raise InvalidField(
            f"UniPC has no variant '{variant}'.",
            field="uni_pc_variant",
            remedies=(f"Choose one of {', '.join(VARIANTS)}",),
        )
    return variant


def _step(x: Tensor, answers: Sequence[Tensor], levels: Sequence[float], variant: str, *, corrects: bool) -> Tensor:
    """The latent at levels[0], from x at levels[1].

    levels: the one to go to, then those of the earlier answers, newest first. answers: newest first; with `corrects`
    that at levels[0] is their first.
    """
    newest = answers[1] if corrects else answers[0]
    h = math.log(levels[1] / levels[0])
    base = towards(x, newest, levels[0] / levels[1])
    # Each answer's place in units of the step, from where the step starts: 1 is its end.
    places = [math.log(levels[1] / level) / h for level in levels[2:]]
    others = list(answers[2:] if corrects else answers[1:])
    if corrects:
        places, others = [*places, 1.0], [*others, answers[0]]
    if not others:
        return base
    shares = _bh_shares(h, places, variant) if variant != "vary_coeff" else _varying_shares(h, places, corrects)
    if variant != "vary_coeff" and len(places) == 1:
        # The paper's own simplification of the lowest order.
        shares = [0.5 * _b(h, variant)]
    for share, place, other in zip(shares, places, others, strict=True):
        base = base - (other - newest) * (share / place)
    return base


def _b(h: float, variant: str) -> float:
    return -h if variant == "bh1" else math.expm1(-h)


def _bh_shares(h: float, places: Sequence[float], variant: str) -> list[float]:
    """B(h) times the solution of R(h) rho = phi(h) / B(h): the weight of each divided difference."""
    count = len(places)
    matrix = np.array([[place**power for place in places] for power in range(count)])
    goal = [_phis(-h, count)[index] * math.factorial(index + 1) for index in range(count)]
    solved: list[float] = np.linalg.solve(matrix, np.array(goal)).tolist()
    return solved


def _varying_shares(h: float, places: Sequence[float], corrects: bool) -> list[float]:
    """The same for varying coefficients, as published: the corrector's own difference has its last term alone."""
    count = len(places)
    matrix: NDArray[np.float64] = np.array(
        [[place**power / math.factorial(power + 1) for power in range(count)] for place in places]
    )
    inverse = np.linalg.inv(matrix)
    phis = _phis(-h, count)
    if not corrects:
        return [sum(phis[row] * inverse[row][column] for row in range(count)) for column in range(count)]
    known = [sum(phis[row] * inverse[row][column] for row in range(count - 1)) for column in range(count - 1)]
    return [*known, phis[count - 1] * inverse[max(count - 2, 0)][count - 1]]


def _phis(hh: float, count: int) -> list[float]:
    """hh * phi_2(hh), hh * phi_3(hh), ...: the first `count` of them."""
    value, found = math.expm1(hh), []
    for index in range(count):
        value = value / hh - 1.0 / math.factorial(index + 1)
        found.append(value)
    return found
