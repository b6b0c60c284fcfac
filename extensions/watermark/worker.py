"""Draws a line of text into a picture's corner, and a frame round it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PIL import Image, ImageDraw, ImageFont, ImageOps


def finished(image: Image.Image, options: Mapping[str, Any]) -> Image.Image:
    """The picture with what the options ask for; the text first, so that it stands inside the frame."""
    if options["text"].strip():
        image = _marked(image, options["text"].strip(), options)
    if options["frame"]:
        image = ImageOps.expand(image, options["frame"], options["frame_colour"])
    return image


def _marked(image: Image.Image, text: str, options: Mapping[str, Any]) -> Image.Image:
    shorter = min(image.size)
    font = ImageFont.load_default(max(8.0, options["size"] * shorter))
    left, top, right, bottom = ImageDraw.Draw(image).textbbox((0, 0), text, font=font)
    distance = max(2, shorter // 50)
    vertical, horizontal = options["corner"].split()
    x = distance - left if horizontal == "left" else image.width - distance - right
    y = distance - top if vertical == "top" else image.height - distance - bottom
    layer = Image.new("RGBA", image.size, (0, 0, 0, 0))
    # White with a dark edge is seen on any ground.
    ImageDraw.Draw(layer).text(
        (x, y), text, (255, 255, 255, 255), font, stroke_width=max(1, shorter // 300), stroke_fill=(0, 0, 0, 255)
    )
    alpha = layer.getchannel("A").point([round(value * options["opacity"]) for value in range(256)])
    layer.putalpha(alpha)
    return Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")
