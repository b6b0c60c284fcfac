"""The upscalers that need no model: pictures resized by Pillow. Each takes (picture, (width, height)) to a picture."""

from __future__ import annotations

from PIL import Image

Size = tuple[int, int]
"""Width and height in pixels."""


def unchanged(image: Image.Image, size: Size) -> Image.Image:
    """The picture as it is: who asked brings it to the size, with Lanczos, as A1111's None."""
    return image


def lanczos(image: Image.Image, size: Size) -> Image.Image:
    """The picture in this size, smooth."""
    return image.resize(size, Image.Resampling.LANCZOS)


def nearest(image: Image.Image, size: Size) -> Image.Image:
    """The picture in this size, each pixel that of the nearest there was: edges stay sharp."""
    return image.resize(size, Image.Resampling.NEAREST)
