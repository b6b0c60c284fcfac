"""Words in the lowest bits of pixels, which survive where texts are stripped: NovelAI's, and A1111's extension's.

The bits run down the columns, from the left: a sign, the length in bits as 32 bits, and the words, perhaps packed. In
pictures with transparency they are those of alpha, in others those of red, green and blue.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from webui.images.picture_file import PictureFile
from webui.images.readers import novelai
from webui.images.readers.values import json_object

_SIGNS = {b"stealth_pnginfo": False, b"stealth_pngcomp": True, b"stealth_rgbinfo": False, b"stealth_rgbcomp": True}
"""What begins it; whether what follows is packed by gzip."""
_SIGN_BITS = 15 * 8
_MOST_BYTES = 1_000_000
_MODES = {"RGBA": slice(3, 4), "RGB": slice(0, 3)}


def read(file: PictureFile) -> str | dict[str, Any] | None:
    """A parameters text, or values by the names of a request's fields; None where there are none in the pixels."""
    if file.format not in ("PNG", "WEBP"):
        # Others do not keep the lowest bits.
        return None
    text = hidden_text(file.image())
    said = json_object(text)
    if said is None:
        return text or None
    return novelai.values(said, file.width, file.height)


def hidden_text(image: Image.Image) -> str:
    """The words in a picture's pixels, "" where there are none."""
    if image.mode not in _MODES:
        return ""
    channels = np.asarray(image)[:, :, _MODES[image.mode]]
    columns = channels.transpose(1, 0, 2)
    # The sign is in the first columns; most pictures have none, and no more of them is looked at.
    rows = max(1, columns.shape[1] * columns.shape[2])
    first = _bits(columns[: -(-(_SIGN_BITS + 32) // rows)])
    sign = np.packbits(first[:_SIGN_BITS]).tobytes()
    if sign not in _SIGNS or len(first) < _SIGN_BITS + 32:
        return ""
    length = int.from_bytes(np.packbits(first[_SIGN_BITS : _SIGN_BITS + 32]).tobytes(), "big")
    if not 0 < length <= 8 * _MOST_BYTES:
        return ""
    start = _SIGN_BITS + 32
    bits = _bits(columns[: -(-(start + length) // rows)])[start : start + length]
    data = np.packbits(bits).tobytes()
    try:
        packed = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(data, _MOST_BYTES) if _SIGNS[sign] else data
    except zlib.error:
        return ""
    return packed.decode("utf-8", "replace")


def _bits(columns: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.bitwise_and(columns, np.uint8(1)).reshape(-1)
