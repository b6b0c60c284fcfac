"""Between two passes: a batch's latents become those of the larger pictures that the second pass draws over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from webui.core.errors import DarkroomError
from webui.core.hires_fields import CELL, HiresTarget
from webui.core.upscaler_rows import Upscaler
from webui.engine.families.base import LoadedModel
from webui.engine.latents import check
from webui.engine.memory.decoding import decode_within, encode_within
from webui.engine.memory.rungs import Relief


def enlarged(
    latents: Tensor,
    target: HiresTarget,
    upscaler: Upscaler,
    first: LoadedModel,
    second: LoadedModel,
    resolve: Callable[[str], Any],
    relief: Relief,
    tell: Callable[[str], None],
) -> Tensor:
    """Latents (batch, channels, height/8, width/8) of the first pass as the second's, in the target's size.

    first, second: the models of the passes. A latent kind stretches them; any other makes pictures of them, one after
    another, enlarges those and encodes them with the second's autoencoder. tell: hears what was done for want of
    memory. Raises BadNumbers, OutOfMemory, and DarkroomError for an upscaler that gives no picture.
    """
    check(latents)
    if upscaler.is_latent:
        return stretched(latents, target, upscaler)
    function = resolve(upscaler.function)
    made = []
    for latent in torch.split(latents, 1):
        image = function(decode_within(relief, first, latent, tell), (target.covering_width, target.covering_height))
        if not isinstance(image, Image.Image):
            raise DarkroomError(f"The upscaler {upscaler.name} returned {type(image).__name__} in place of an image.")
        made.append(encode_within(relief, second, fitted(image, target), tell))
    return torch.cat(made)


def stretched(latents: Tensor, target: HiresTarget, upscaler: Upscaler) -> Tensor:
    """Latents stretched to the target's size, by a mode of torch's interpolate; what is too much is cut off."""
    size = target.covering_height // CELL, target.covering_width // CELL
    larger = functional.interpolate(latents, size=size, mode=upscaler.mode, antialias=upscaler.antialias)
    height, width = target.height // CELL, target.width // CELL
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    return larger[..., top : top + height, left : left + width].contiguous()


def fitted(image: Image.Image, target: HiresTarget) -> Image.Image:
    """A picture of about the size that it is enlarged to, in the target's; what is too much is cut off."""
    covering = target.covering_width, target.covering_height
    image = image.convert("RGB")
    if image.size != covering:
        image = image.resize(covering, Image.Resampling.LANCZOS)
    left, top = (covering[0] - target.width) // 2, (covering[1] - target.height) // 2
    return image.crop((left, top, left + target.width, top + target.height))
