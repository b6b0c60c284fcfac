"""A picture's file as it is looked at: its format, its size, and the texts that stand beside its pixels."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from PIL import ExifTags, Image, PngImagePlugin, UnidentifiedImageError

from webui.core.errors import BadPicture, DarkroomError

MAX_PIXELS = 89_000_000
"""Pictures above this are refused before a pixel is decoded. Pillow only warns from here on."""

MAX_BYTES = 200_000_000

XMP = "XML:com.adobe.xmp"
"""PNG's keyword of an XMP packet; other formats' packets are told by it too."""

_UNICODE, _ASCII, _UNDEFINED = b"UNICODE\x00", b"ASCII\x00\x00\x00", b"\x00" * 8
# All that Pillow raises on files that are cut, damaged or made to harm.
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, KeyError, IndexError, TypeError, struct.error, zlib.error)
_FIRST = "parameters"
"""The chunk that A1111 and we write; it says all, so where it is no pixel is decoded for more."""
_MOST_TEXT = 16 * 2**20
"""Characters of one text; a longer one is cut."""


@dataclass(frozen=True, slots=True)
class PictureFile:
    """A picture's file as a metadata reader sees it. `format`: "PNG", "JPEG", "WEBP", "AVIF" or "GIF"; size in pixels.

    texts: a PNG's text chunks by their keywords; the comment of a JPEG or GIF as "comment"; any format's XMP packet
    as "XML:com.adobe.xmp". exif: those tags that are texts, by their names ("UserComment", "ImageDescription", "Make").
    """

    format: str
    width: int
    height: int
    texts: Mapping[str, str] = field(default_factory=dict)
    exif: Mapping[str, str] = field(default_factory=dict)
    source: Path | bytes = field(default=b"", repr=False)

    def image(self) -> Image.Image:
        """The pixels, for what hides its words in them; decoded anew each time. Raises BadPicture."""
        with open_picture(self.source) as image:
            return image.copy()


def read_file(source: Path | bytes) -> PictureFile:
    """A PNG, JPEG, WebP, AVIF or GIF file. Raises BadPicture.

    Pixels are decoded only where texts may stand behind them (some PNG files), and never above MAX_PIXELS.
    """
    with open_picture(source) as image:
        if isinstance(image, PngImagePlugin.PngImageFile) and _FIRST not in image.info:
            image.load()  # Text may stand behind the pixels.
        return PictureFile(str(image.format), image.width, image.height, _texts(image), _exif(image), source)


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
    if isinstance(image, PngImagePlugin.PngImageFile):
        return {str(key): str(text)[:_MOST_TEXT] for key, text in image.info.items() if isinstance(text, str)}
    found = {"comment": image.info.get("comment"), XMP: image.info.get("xmp")}
    return {key: _plain(text) for key, text in found.items() if isinstance(text, bytes | str) and text}


def _exif(image: Image.Image) -> dict[str, str]:
    """What of EXIF is text, the main directory's and the Exif directory's; damage in one leaves the rest."""
    try:
        exif = image.getexif()
        tags = {**exif, **exif.get_ifd(ExifTags.IFD.Exif)}
    except _DAMAGE:
        return {}
    names = {tag: ExifTags.TAGS.get(tag, "") for tag in tags}
    found = {
        name: decode_comment(tags[tag]) if name == "UserComment" and isinstance(tags[tag], bytes) else _plain(tags[tag])
        for tag, name in names.items()
        if name and isinstance(tags[tag], bytes | str)
    }
    return {name: text for name, text in found.items() if text}


def _plain(text: bytes | str) -> str:
    said = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return said[:_MOST_TEXT].strip("\x00")


def decode_comment(comment: bytes) -> str:
    """EXIF's UserComment: eight bytes that name its characters, then the words."""
    comment = comment[:_MOST_TEXT]
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
