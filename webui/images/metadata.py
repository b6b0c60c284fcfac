"""What a picture file says of itself: A1111's parameters text, and beside it the whole request as JSON."""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata as packages
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image, PngImagePlugin, UnidentifiedImageError

from webui import __version__
from webui.core.errors import BadPicture, DarkroomError

PARAMETERS = "parameters"
"""A1111's text chunk."""

RECORD = "darkroom"
"""Our text chunk: JSON with the request, the picture's index in it, and the versions that made it."""

MAX_PIXELS = 89_000_000
"""Pictures above this are refused before a pixel is decoded. Pillow only warns from here on."""

MAX_BYTES = 200_000_000

_PACKAGES = ("torch", "diffusers", "transformers", "pillow")
_UNICODE, _ASCII, _UNDEFINED = b"UNICODE\x00", b"ASCII\x00\x00\x00", b"\x00" * 8
# All that Pillow raises on files that are cut, damaged or made to harm.
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, KeyError, IndexError, TypeError, struct.error, zlib.error)


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
    with open_picture(source) as image:
        texts = _texts(image)
        record = _record(texts.get(RECORD, ""))
        return Metadata(infotext=texts.get(PARAMETERS, ""), width=image.width, height=image.height, **record)


@contextmanager
def open_picture(source: Path | bytes) -> Iterator[Image.Image]:
    """The picture in a file or in bytes, lazily; raises BadPicture, also for what goes wrong inside the `with`."""
    name = source.name if isinstance(source, Path) else "The data"
    try:
        size = len(source) if isinstance(source, bytes) else source.stat().st_size
        if size > MAX_BYTES:
            raise BadPicture(f"{name} has {size // 10**6:,} MB; pictures up to {MAX_BYTES // 10**6} MB are read.")
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            if image.width * image.height > MAX_PIXELS:
                raise _too_large(name, f"{image.width} × {image.height} pixels")
            yield image
    except DarkroomError:
        raise
    except UnidentifiedImageError as error:
        raise BadPicture(f"{name} is not a picture of a known format (PNG, JPEG, WebP, AVIF, GIF).") from error
    except Image.DecompressionBombError as error:
        raise _too_large(name, "a size out of all bounds") from error
    except FileNotFoundError as error:
        raise BadPicture(f"{name} is not there.") from error
    except PermissionError as error:
        raise BadPicture(f"{name} may not be read by this program.") from error
    except _DAMAGE as error:
        raise BadPicture(f"{name} is damaged or cut short and cannot be read.") from error


def _too_large(name: str, what: str) -> BadPicture:
    return BadPicture(f"{name} has {what}; up to {MAX_PIXELS // 10**6} million pixels are read.")


def _texts(image: Image.Image) -> dict[str, str]:
    """The file's own texts by our keys."""
    if isinstance(image, PngImagePlugin.PngImageFile):
        if PARAMETERS not in image.info and RECORD not in image.info:
            image.load()  # Text may stand behind the pixels.
        found = {key: image.info[key] for key in (PARAMETERS, RECORD) if isinstance(image.info.get(key), str)}
        if PARAMETERS in found:
            return found
        return {**_from_exif(image), **found}
    if image.format == "GIF":
        comment = image.info.get("comment", b"")
        return {PARAMETERS: comment.decode("utf-8", "replace") if isinstance(comment, bytes) else str(comment)}
    return _from_exif(image)


def _from_exif(image: Image.Image) -> dict[str, str]:
    comment = image.getexif().get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.UserComment)
    text = _decode_comment(comment) if isinstance(comment, bytes) else comment if isinstance(comment, str) else ""
    return {PARAMETERS: text} if text else {}


def _decode_comment(comment: bytes) -> str:
    head, body = comment[:8], comment[8:]
    if head == _UNICODE:
        # EXIF leaves the byte order open; the right one gives more of the characters that infotext is made of.
        readings = [body.decode(order, "replace") for order in ("utf-16-be", "utf-16-le")]
        text = max(readings, key=lambda reading: sum(letter.isascii() for letter in reading))
    elif head in (_ASCII, _UNDEFINED):
        text = body.decode("utf-8", "replace")
    else:
        text = comment.decode("utf-8", "replace")
    return text.strip("\x00")


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
