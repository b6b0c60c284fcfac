"""Turns a picture brown."""

from collections.abc import Mapping
from typing import Any

from PIL import Image, ImageOps


def sepia(image: Image.Image, options: Mapping[str, Any]) -> Image.Image:
    """The picture, blended with its own brown one."""
    brown = ImageOps.colorize(ImageOps.grayscale(image), black="#20130a", white="#fff1d6", mid="#a0764a")
    return Image.blend(image, brown, options["strength"])
