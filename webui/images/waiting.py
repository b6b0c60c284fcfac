"""Pictures that wait for a work: made plain and small, and kept under their sha256 until no job names them."""

from __future__ import annotations

import hashlib
import io
import re
import secrets
from collections.abc import Collection
from pathlib import Path
from typing import Final

from PIL import Image, ImageOps

from webui.core.errors import BadPicture, StorageProblem
from webui.images.picture_file import open_picture

FOLDER: Final = "waiting-pictures"
"""The folder's name inside the program's own."""

SIDE: Final = 1024
"""Pixels of the longest side that is kept; no network that describes pictures looks at more."""

_NAME = re.compile(r"[0-9a-f]{64}")
# What thumbnail() scales well as it is; everything else is made plain first.
_SCALABLE = ("L", "RGB", "RGBA", "CMYK")


def plain(source: Path | bytes) -> Image.Image:
    """The picture as RGB of 8 bits, upright, at most SIDE pixels a side, on white where it is transparent.

    Of a moving picture the first frame. Raises BadPicture.
    """
    with open_picture(source) as image:
        # Before the pixels are decoded: a large JPEG is then decoded in a small size.
        if image.mode in _SCALABLE:
            image.thumbnail((SIDE, SIDE))
        upright = ImageOps.exif_transpose(image)
        made = _in_8_bits(upright)
        made.thumbnail((SIDE, SIDE))
        return made


def _in_8_bits(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        # 16 bits: Pillow would cut what is above 255 instead of scaling it.
        return image.convert("I").point(lambda level: level * (1 / 257)).convert("L").convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(ground, image).convert("RGB")
    return image.convert("RGB")


class WaitingPictures:
    """The pictures in a folder, each named by the sha256 of its own file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, source: Path | bytes) -> str:
        """Keep a picture, made plain, and return its name. Raises BadPicture, StorageProblem."""
        file = io.BytesIO()
        plain(source).save(file, "PNG", compress_level=1)
        data = file.getvalue()
        name = hashlib.sha256(data).hexdigest()
        path = self._path(name)
        part = path.with_name(f".{name}.{secrets.token_hex(4)}.part")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            part.write_bytes(data)
            part.replace(path)
        except OSError as error:
            raise StorageProblem(f"The picture cannot be kept: {error.strerror or error}.") from error
        return name

    def get(self, name: str) -> Path:
        """Where the picture of this name lies. Raises BadPicture when it is not there."""
        if not _NAME.fullmatch(name) or not self._path(name).is_file():
            raise BadPicture("The picture is not here any more.", field="picture", remedies=("Send it again",))
        return self._path(name)

    def keep_only(self, names: Collection[str]) -> None:
        """Take all other pictures away. One that cannot be removed stays for the next time."""
        for path in self._folder.glob("*.png") if self._folder.is_dir() else ():
            if path.stem not in names:
                try:
                    path.unlink(missing_ok=True)
                except OSError:
                    continue

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.png"
