"""Small versions of pictures, made when first asked for and kept in a cache folder."""

from __future__ import annotations

import io
import logging
import secrets
from pathlib import Path, PurePosixPath

from PIL import Image

from webui.images.picture_file import open_picture

log = logging.getLogger(__name__)

SIDES = (64, 128, 256, 512, 1024)
"""Sizes that are kept; others are rounded up, so that nobody fills the disk by asking for every size."""

_QUALITY = 82
_MODES = ("RGB", "RGBA")


class Thumbnails:
    """The cache below `folder`; safe to delete at any time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, picture: Path, relpath: str, side: int) -> bytes:
        """The picture scaled to fit a square of at least `side` pixels (one of SIDES), as WebP; never enlarged.

        Raises BadPicture. A cache that cannot be written costs time, not the answer.
        """
        side = next((kept for kept in SIDES if kept >= side), SIDES[-1])
        kept = self._path(relpath, side)
        try:
            if kept.stat().st_mtime_ns >= picture.stat().st_mtime_ns:
                return kept.read_bytes()
        except OSError:
            pass  # Not there yet.
        data = _shrink(picture, side)
        self._keep(kept, data)
        return data

    def forget(self, relpath: str) -> None:
        """Take a picture's small versions away."""
        for side in SIDES:
            self._path(relpath, side).unlink(missing_ok=True)

    def _path(self, relpath: str, side: int) -> Path:
        return self._folder / str(side) / PurePosixPath(relpath).with_suffix(".webp")

    def _keep(self, path: Path, data: bytes) -> None:
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(data)
            temporary.replace(path)
        except OSError as error:
            log.warning("A thumbnail could not be kept: %s", error)
            _discard(temporary)


def _discard(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        log.warning("The temporary file %s could not be removed: %s", path, error)


def _shrink(picture: Path, side: int) -> bytes:
    with open_picture(picture) as image:
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
        small = image if image.mode in _MODES else image.convert("RGBA" if image.has_transparency_data else "RGB")
        out = io.BytesIO()
        small.save(out, format="WEBP", quality=_QUALITY, method=2)
        return out.getvalue()
