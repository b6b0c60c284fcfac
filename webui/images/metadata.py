"""What a picture file says of itself: A1111's parameters text, and beside it the whole request as JSON."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata as packages
from pathlib import Path
from typing import Any

from PIL import Image, PngImagePlugin

from webui import __version__
from webui.core.saving import Saving
from webui.images.picture_file import PictureFile, read_file

PARAMETERS = "parameters"
"""A1111's text chunk."""

RECORD = "darkroom"
"""Our text chunk: JSON with the request, the picture's index in it, and the versions that made it."""

_KEY = re.compile(r"\w[\w \-/.+]{1,60}")
_MOST_TEXT = 100_000
_PACKAGES = ("torch", "diffusers", "transformers", "pillow")


@dataclass(frozen=True, slots=True)
class Metadata:
    """What was read from a picture. `request` is the JSON of GenerationRequest, unchecked, as the file had it."""

    infotext: str = ""
    request: dict[str, Any] | None = None
    index: int = 0
    versions: dict[str, str] | None = None
    width: int = 0
    height: int = 0


@lru_cache(maxsize=1)
def versions() -> dict[str, str]:
    """Versions of Darkroom and of the packages that decide how a picture comes out; imports none of them."""
    found = {"darkroom": __version__}
    for name in _PACKAGES:
        try:
            found[name] = packages.version(name)
        except packages.PackageNotFoundError:
            continue
    return found


def write_png(
    image: Image.Image,
    infotext: str,
    request_json: Mapping[str, Any] | None = None,
    compress_level: int = 1,
    index: int = 0,
    chunks: Mapping[str, str] | None = None,
) -> bytes:
    """The picture as a PNG file with both text chunks; `compress_level` is zlib's, 0 to 9.

    Without `request_json` (an extension's own picture) there is no second chunk. chunks: further ones, by keyword.
    """
    text = PngImagePlugin.PngInfo()
    if infotext:
        text.add_text(PARAMETERS, infotext)
    if request_json is not None:
        record = {"request": dict(request_json), "index": index, "versions": versions()}
        text.add_text(RECORD, json.dumps(record, sort_keys=True))
    for keyword, words in (chunks or {}).items():
        text.add_itxt(keyword, words)
    out = io.BytesIO()
    image.save(out, format="PNG", pnginfo=text, compress_level=compress_level)
    return out.getvalue()


def read(source: Path | bytes) -> Metadata:
    """The metadata of a PNG, JPEG, WebP, AVIF or GIF file; empty when it has none. Raises BadPicture.

    Pixels are decoded only where the text may stand behind them (some PNG files), and never above MAX_PIXELS.
    """
    file = read_file(source)
    record = _record(file.texts.get(RECORD, ""))
    return Metadata(infotext=parameters(file) or "", width=file.width, height=file.height, **record)


def wrong_in(saving: Any) -> str:
    """Why this cannot be written beside a picture, as a sentence; "" where it can."""
    if not isinstance(saving, Saving):
        return f"it returned {type(saving).__name__} in place of Saving."
    for key, value in saving.infotext.items():
        if not isinstance(key, str) or not _KEY.fullmatch(key):
            return f"'{str(key)[:60]}' can be no key of an infotext."
        if not isinstance(value, str | int | float | bool) or len(str(value)) > _MOST_TEXT:
            return f"its value of '{key}' is no short text, number or truth value."
    for key, value in saving.chunks.items():
        if not isinstance(key, str) or not key.isascii() or not 1 <= len(key) <= 79 or key in (PARAMETERS, RECORD):
            return f"'{str(key)[:80]}' can be no keyword of a text chunk of its own."
        if not isinstance(value, str) or len(value) > _MOST_TEXT:
            return f"its text chunk '{key}' is no text of at most {_MOST_TEXT:,} characters."
    return ""


def parameters(file: PictureFile) -> str | None:
    """The parameters text of a file, from where its format keeps it; None where there is none."""
    if text := file.texts.get(PARAMETERS):
        return text
    return (file.texts.get("comment") if file.format == "GIF" else file.exif.get("UserComment")) or None


def _record(text: str) -> dict[str, Any]:
    try:
        data = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}  # A damaged record still leaves the infotext.
    if not isinstance(data, dict):
        return {}
    request, index, made_by = data.get("request"), data.get("index"), data.get("versions")
    return {
        "request": request if isinstance(request, dict) else None,
        "index": index if isinstance(index, int) else 0,
        "versions": {str(k): str(v) for k, v in made_by.items()} if isinstance(made_by, dict) else None,
    }
