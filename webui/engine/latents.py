"""Latents become pictures: checked, decoded, or decoded small for a preview; and pictures latents."""

from __future__ import annotations

import io
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from webui.core.errors import BadNumbers


class Decoder(Protocol):
    """What makes pictures of latents: a loaded model (families/base.py, stock/model.py)."""

    @property
    def latent_factor(self) -> int:
        """Pixels per latent cell, along each side."""
        ...

    def decode(self, latents: Tensor) -> Tensor:
        """Latents as pictures (batch, height, width, 3) uint8 on the host."""
        ...


@runtime_checkable
class TiledDecoder(Protocol):
    """What can also do so with less memory."""

    def decode_tiled(self, latents: Tensor, side: int) -> Tensor:
        """The same by tiles of so many latent cells along each side."""
        ...


@runtime_checkable
class PictureEncoder(Protocol):
    """What also makes latents of pictures."""

    def encode_picture(self, pictures: Tensor, side: int = 0) -> Tensor:
        """Pictures (batch, height, width, 3) uint8 as latents (batch, channels, height/8, width/8) float32.

        side: latent cells along each side of the tiles that they are encoded by; 0 encodes the whole. Equal pictures
        give equal latents. Raises BadNumbers.
        """
        ...


class BadLatents(BadNumbers):
    """The denoiser's answers are no numbers, not the autoencoder's."""


class BadEncoding(BadNumbers):
    """The autoencoder's numbers are none, of a picture that was to become latents."""


# Side of a preview at most, in pixels.
_PREVIEW_SIDE = 256
_JPEG_QUALITY = 80


def noised(latents: Tensor, noise: Tensor, sigma: float, *, flow: bool) -> Tensor:
    """Clean latents with unit noise at this noise level, all (batch, channels, height/8, width/8), in sigma space."""
    return (latents * (1.0 - sigma) if flow else latents) + noise * sigma


def check(latents: Tensor) -> None:
    """Raise BadLatents when the latents hold a NaN or an infinity; waits for the device."""
    if not bool(torch.isfinite(latents).all()):
        raise BadLatents(
            "The model answered with values that are no numbers, so there is no picture to show.",
            remedies=(
                "Compute in full precision (--no-half)",
                "Lower the CFG scale",
                "Try another sampler",
                "Try another checkpoint",
            ),
        )


def decode(model: Decoder, latents: Tensor) -> list[Image.Image]:
    """The pictures of a batch of latents (batch, channels, height/8, width/8). Raises BadNumbers."""
    check(latents)
    return _pictures(model.decode(latents))


def decode_tiled(model: TiledDecoder, latents: Tensor, side: int) -> list[Image.Image]:
    """The same by tiles of so many latent cells along each side: with less memory, and a shade off the whole."""
    check(latents)
    return _pictures(model.decode_tiled(latents, side))


def encode(model: PictureEncoder, image: Image.Image, side: int = 0) -> Tensor:
    """The latents (1, channels, height/8, width/8) of a picture; see `PictureEncoder`."""
    return model.encode_picture(torch.from_numpy(np.array(image.convert("RGB")))[None], side)


def _pictures(pixels: Tensor) -> list[Image.Image]:
    return [Image.fromarray(picture.numpy()) for picture in pixels]


def preview(model: Decoder, denoised: Tensor) -> bytes:
    """A small JPEG of a batch's first picture. Raises BadNumbers."""
    latents = denoised[:1]
    shrink = -(-max(latents.shape[-2:]) * model.latent_factor // _PREVIEW_SIDE)
    if shrink > 1:
        latents = functional.avg_pool2d(latents, shrink, ceil_mode=True)
    data = io.BytesIO()
    decode(model, latents)[0].save(data, "JPEG", quality=_JPEG_QUALITY)
    return data.getvalue()
