"""CFG-Zero*, APG and CFG rescale on the loop's predictions."""

from __future__ import annotations

from torch import Tensor

from webui.extend.worker import Guided

_OVER_PICTURE = (1, 2, 3)
_TINY = 1e-8


def guide(guided: Guided) -> Tensor:
    """The prediction of clean latents by the method that the options name, rescaled as they say.

    Where a step has no guidance there is nothing to be done.
    """
    if guided.uncond is None:
        return guided.denoised
    options, uncond = guided.options, guided.uncond
    denoised = guided.denoised
    if options["method"] == "CFG-Zero*":
        if guided.step < options["zero_init_steps"]:
            # Standing still: the picture that would be reached from here is the one that is here.
            return guided.x
        denoised = cfg_zero_star(guided.x, guided.cond, uncond, guided.scale)
    elif options["method"] == "APG":
        denoised = apg(guided.cond, uncond, guided.scale, options["apg_norm"], options["apg_parallel"])
    return rescaled(guided, denoised, options["rescale"])


def cfg_zero_star(x: Tensor, cond: Tensor, uncond: Tensor, scale: float) -> Tensor:
    """Guidance from that multiple of the negative prediction which is nearest to the positive one.

    Fan et al., "CFG-Zero*: Improved Classifier-Free Guidance for Flow Matching Models" (2025), equation 8, for what the
    network predicts, which is a multiple of x less the clean latents.
    """
    with_prompt, without = x - cond, x - uncond
    along = (with_prompt * without).sum(_OVER_PICTURE, keepdim=True)
    fit = along / (without.square().sum(_OVER_PICTURE, keepdim=True) + _TINY)
    return x - (without * fit + scale * (with_prompt - without * fit))


def apg(cond: Tensor, uncond: Tensor, scale: float, longest: float, parallel: float) -> Tensor:
    """Adaptive projected guidance: without the part of the difference that lies along the prediction.

    Sadat et al., "Eliminating Oversaturation and Artifacts of High Guidance Scales" (2024), algorithm 1 without
    momentum. longest: limit of the difference's norm, 0 is none. parallel: how much of that part is kept.
    """
    difference = cond - uncond
    if longest > 0.0:
        norm = difference.square().sum(_OVER_PICTURE, keepdim=True).sqrt()
        difference = difference * (longest / (norm + _TINY)).clamp(max=1.0)
    direction = cond / (cond.square().sum(_OVER_PICTURE, keepdim=True).sqrt() + _TINY)
    along = (difference * direction).sum(_OVER_PICTURE, keepdim=True) * direction
    return cond + (scale - 1.0) * (difference - along + parallel * along)


def rescaled(guided: Guided, denoised: Tensor, share: float) -> Tensor:
    """The guided prediction, `share` of it with the spread of the one with the prompt.

    Lin et al., "Common Diffusion Noise Schedules and Sample Steps are Flawed" (2023), equations 14 to 16, on the
    velocity: of flow models the step towards noise, of others v as v-prediction has it.
    """
    if share == 0.0:
        return denoised
    velocity, cond = _velocity(guided, denoised), _velocity(guided, guided.cond)
    spread, wanted = (one.std(_OVER_PICTURE, keepdim=True) for one in (velocity, cond))
    return _clean(guided, velocity * (share * wanted / (spread + _TINY) + 1.0 - share))


def _velocity(guided: Guided, clean: Tensor) -> Tensor:
    if guided.flow:
        return (guided.x - clean) / guided.sigma
    room = guided.sigma**2 + 1.0
    return (guided.x / room - clean) * room**0.5 / guided.sigma


def _clean(guided: Guided, velocity: Tensor) -> Tensor:
    if guided.flow:
        return guided.x - guided.sigma * velocity
    room = guided.sigma**2 + 1.0
    return guided.x / room - velocity * guided.sigma / room**0.5
