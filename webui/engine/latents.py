"""Latents become pictures: checked, decoded, or decoded small for a preview."""

from __future__ import annotations

import io

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from webui.core.errors import BadNumbers
from webui.engine.families.base import LoadedModel

# Side of a preview's latents at most: 32 cells are 256 pixels.
_PREVIEW_CELLS = 32
_JPEG_QUALITY = 80


def check(latents: Tensor) -> None:
    """Raise BadNumbers when the latents hold a NaN or an infinity; waits for the device."""
    if not bool(torch.isfinite(latents).all()):
        raise BadNumbers(
            "The model answered with values that are no numbers, so there is no picture to show.",
            remedies=(
                "Compute in full precision (--no-half)",
                "Lower the CFG scale",
                "Try another sampler",
                "Try another checkpoint: this one may be damaged",
            ),
        )


def decode(model: LoadedModel, latents: Tensor) -> list[Image.Image]:
    """The pictures of a batch of latents (batch, channels, height/8, width/8). Raises BadNumbers."""
    check(latents)
    return [Image.fromarray(picture.numpy()) for picture in model.decode(latents)]


def preview(model: LoadedModel, denoised: Tensor) -> bytes:
    """A small JPEG of a batch's first picture. Raises BadNumbers."""
    latents = denoised[:1]
    shrink = -(-max(latents.shape[-2:]) // _PREVIEW_CELLS)
    if shrink > 1:
        latents = functional.avg_pool2d(latents, shrink, ceil_mode=True)
    data = io.BytesIO()
    decode(model, latents)[0].save(data, "JPEG", quality=_JPEG_QUALITY)
    return data.getvalue()
