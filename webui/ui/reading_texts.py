"""The words of the PNG Info tab; A1111's where it has them."""

from __future__ import annotations

READING_TEXTS = {
    "pnginfo_drop": "Drop a picture here, or paste one",
    "pnginfo_kinds": "PNG, JPEG, WebP, AVIF or GIF, of Darkroom, A1111, ComfyUI and many others. It is read, not kept.",
    "pnginfo_choose": "Choose a picture",
    "pnginfo_other": "Choose another",
    "pnginfo_picture": "The picture that is read",
    "pnginfo_reading": "Reading",
    "pnginfo_none": "This picture says nothing of how it was made.",
    "pnginfo_none_why": "Sites and messengers often strip what a program wrote into a file; the original may have it.",
    "pnginfo_reader": "{size}, read as {name}",
    "pnginfo_send": "Send to txt2img",
    "pnginfo_unknown": "{value} · not known here",
    "pnginfo_text": "As it is written",
    "pnginfo_copy": "Copy",
    "pnginfo_copied": "Copied",
}
