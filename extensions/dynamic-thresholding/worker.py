"""Dynamic thresholding of the loop's predictions (mcmonkey 2023, after Saharia et al. 2022, section 2.3)."""

from __future__ import annotations

import torch
from torch import Tensor

from webui.extend.worker import Guided

from .curves import scale_at

_TINY = 1e-8


def thresholded(guided: Guided) -> Tensor:
    """The guided prediction with the contrast that it had under the mimicked scale."""
    if guided.uncond is None:
        return guided.denoised
    options = guided.options
    moment = guided.step, guided.steps
    scale = scale_at(options["cfg_mode"], *moment, guided.scale, options["cfg_scale_min"], options["sched_val"])
    mimic = scale_at(
        options["mimic_mode"], *moment, options["mimic_scale"], options["mimic_scale_min"], options["sched_val"]
    )
    difference = guided.cond - guided.uncond
    wanted, mimicked = guided.uncond + difference * scale, guided.uncond + difference * mimic
    separate = options["separate_feature_channels"]
    means, centred = _centred(wanted)
    their_centred = _centred(mimicked)[1]
    if options["variability_measure"] == "STD":
        ours, theirs = (_spread(one, separate) for one in (centred, their_centred))
    else:
        # As the method has it: the percentile of what is asked for, the largest of what is mimicked.
        ours = _percentile(centred.abs(), options["threshold_percentile"], separate)
        theirs = _percentile(their_centred.abs(), 1.0, separate)
    if options["scaling_startpoint"] == "ZERO":
        result = wanted * (theirs / (ours + _TINY))
    elif options["variability_measure"] == "STD":
        result = centred * (theirs / (ours + _TINY)) + means
    else:
        most = torch.maximum(ours, theirs)
        result = torch.maximum(torch.minimum(centred, most), -most) / (most + _TINY) * theirs + means
    return torch.lerp(wanted, result, options["interpolate_phi"])


def _centred(latents: Tensor) -> tuple[Tensor, Tensor]:
    """(mean of each channel, the latents less it)."""
    means = latents.mean((2, 3), keepdim=True)
    return means, latents - means


def _spread(centred: Tensor, separate: bool) -> Tensor:
    return centred.std((2, 3) if separate else (1, 2, 3), keepdim=True)


def _percentile(distances: Tensor, share: float, separate: bool) -> Tensor:
    """(batch, channels or 1, 1, 1): the distance that this share of them does not exceed."""
    flat = distances.flatten(2) if separate else distances.flatten(1).unsqueeze(1)
    if share == 1.0:
        return flat.amax(2)[..., None, None]
    return torch.quantile(flat, share, dim=2)[..., None, None]
