"""Embeddings inside pictures, as A1111 shares them: in a text beside the pixels, or in the pixels' lowest bits.

The format is A1111's: a JSON of the file's content, in base64 under `sd-ti-embedding`; or compressed and cut into
halves of bytes, the lower ones in a block left of the picture and the upper ones right of it, each parted from the
picture by a black column and covered with the numbers of a linear congruential generator.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from webui.core.errors import BadPicture, DarkroomError, ModelProblem
from webui.engine.checkpoints.headers.base import AGAIN
from webui.engine.embeddings.vectors import CLIP_G, CLIP_L, ONE, Array, Vectors, checked
from webui.images.picture_file import open_picture, read_file

SUFFIXES: Final = (".png", ".webp")
TEXT = "sd-ti-embedding"

_MOST_PIXELS = 16_000_000
_MOST_JSON = 32_000_000
_FACTOR, _ADDEND, _MODULUS, _KEPT = 1664525, 1013904223, 2**32, 255
_HALF = 0x0F
_TENSOR = "TORCHTENSOR"

Bytes = NDArray[np.uint8]


def embedding_in(path: Path) -> tuple[str, Vectors] | None:
    """(its name, "" where it has none; its vectors); None for a picture without any. Raises ModelProblem."""
    try:
        text = read_file(path).texts.get(TEXT)
        data = base64.b64decode(text) if text is not None else _hidden(_pixels(path))
        return None if data is None else _read(path, data)
    except BadPicture as error:
        raise ModelProblem(error.detail, field="prompt") from error
    except DarkroomError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError, zlib.error) as error:
        raise ModelProblem(f"The embedding in {path.name} is damaged.", field="prompt", remedies=AGAIN) from error


def covering(count: int) -> Bytes:
    """So many of the numbers that the halves of bytes are covered with.

    The generator is x -> (1664525 x + 1013904223) mod 2^32 from 0 (Numerical Recipes), each number taken modulo 255.
    """
    states = np.array([_ADDEND], dtype=np.uint64)
    factor, addend = _FACTOR, _ADDEND
    while len(states) < count:
        # As many steps at once as there are numbers.
        more = (states * np.uint64(factor) + np.uint64(addend)) % np.uint64(_MODULUS)
        states = np.concatenate([states, more])
        factor, addend = factor * factor % _MODULUS, (factor * addend + addend) % _MODULUS
    return (states[:count] % np.uint64(_KEPT)).astype(np.uint8)


def _pixels(path: Path) -> Bytes | None:
    with open_picture(path) as image:
        if image.width * image.height > _MOST_PIXELS:
            return None
        return np.asarray(image.convert("RGB"))


def _hidden(pixels: Bytes | None) -> bytes | None:
    """The bytes in a picture's lowest bits; None where there are no blocks."""
    if pixels is None:
        return None
    shown: NDArray[np.bool_] = np.all(pixels > 0, axis=2)
    rows, columns = np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0))
    if not len(rows):
        return None
    low = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] & _HALF
    black = np.flatnonzero(~low.any(axis=2).any(axis=0))
    if len(black) < 2:
        return None
    left, right = low[:, : black[0]], low[:, black[-1] + 1 :]
    if left.shape != right.shape or not left.size:
        return None
    cover = (covering(left.size) & _HALF).reshape(left.shape)
    unpacking = zlib.decompressobj()
    try:
        data = unpacking.decompress((((right ^ cover) << 4) | (left ^ cover)).tobytes(), _MOST_JSON)
    except zlib.error:
        # A picture with black columns that holds nothing.
        return None
    if unpacking.unconsumed_tail or not unpacking.eof:
        raise ValueError("more than any embedding has")
    return data


def _read(path: Path, data: bytes) -> tuple[str, Vectors]:
    if len(data) > _MOST_JSON:
        raise ValueError("too long")
    content = json.loads(data)
    name = content.get("name")
    what = f"The embedding in {path.name}"
    if "string_to_param" in content:
        (tensor,) = content["string_to_param"].values()
        vectors = {ONE: _array(tensor)}
    elif {CLIP_L, CLIP_G} <= content.keys():
        vectors = {key: _array(content[key]) for key in (CLIP_L, CLIP_G)}
    else:
        (tensor,) = (value for value in content.values() if isinstance(value, Mapping) and _TENSOR in value)
        vectors = {ONE: _array(tensor)}
    return name.strip() if isinstance(name, str) else "", checked(what, vectors)


def _array(tensor: Any) -> Array:
    with np.errstate(over="ignore"):
        return np.array(tensor[_TENSOR], dtype=np.float32)
