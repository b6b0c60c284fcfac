"""Metadata: what is written is read again, in every format, and damaged or harmful files end in a sentence."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, PngImagePlugin

from webui.core import infotext
from webui.core.errors import BadPicture
from webui.core.request import GenerationRequest
from webui.images import metadata

IMAGE = Image.effect_noise((32, 24), 60).convert("RGB")
WORDS = "a cat, 猫 🐈\nNegative prompt: ü\nSteps: 20, Sampler: Euler, CFG scale: 7"


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def huge_png(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def encoded(format: str, **options: object) -> bytes:
    out = io.BytesIO()
    IMAGE.save(out, format, **options)
    return out.getvalue()


def exif(comment: bytes) -> bytes:
    data = Image.Exif()
    data.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = comment
    return data.tobytes()


@settings(max_examples=40, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=300), st.integers(0, 9))
def test_a_png_carries_text_request_and_index(prompt: str, level: int) -> None:
    request = GenerationRequest(prompt=prompt, seed=7, checkpoint="m [0123456789]", checkpoint_hash="0123456789" * 6)
    text = infotext.write(request)
    found = metadata.read(metadata.write_png(IMAGE, text, request.to_json(), level, index=3))
    assert found.infotext == text
    assert found.request is not None and GenerationRequest.from_json(found.request) == request
    assert found.index == 3
    assert found.versions and found.versions["darkroom"] and found.versions["torch"].startswith("2.")
    assert (found.width, found.height) == IMAGE.size


def test_the_pixels_are_untouched_and_the_chunks_stand_where_other_programs_look() -> None:
    data = metadata.write_png(IMAGE, "plain: yes", {"seed": 1})
    with Image.open(io.BytesIO(data)) as image:
        assert image.tobytes() == IMAGE.tobytes()
    assert b"tEXtparameters\0plain: yes" in data
    assert data.index(b"parameters") < data.index(b"IDAT")
    assert b"iTXtparameters" in metadata.write_png(IMAGE, WORDS)


def test_a_picture_without_a_request_has_no_second_chunk() -> None:
    found = metadata.read(metadata.write_png(IMAGE, "x"))
    assert found.request is None and found.versions is None


@pytest.mark.parametrize("format", ["JPEG", "WEBP", "AVIF"])
@pytest.mark.parametrize(
    "comment",
    [
        b"UNICODE\0" + WORDS.encode("utf-16-be"),
        b"UNICODE\0" + WORDS.encode("utf-16-le"),
        b"\0" * 8 + WORDS.encode(),
        WORDS.encode(),
    ],
    ids=["big-endian", "little-endian", "undefined", "bare"],
)
def test_a_user_comment_is_read(format: str, comment: bytes) -> None:
    assert metadata.read(encoded(format, exif=exif(comment))).infotext == WORDS


def test_a_gif_comment_is_read() -> None:
    assert metadata.read(encoded("GIF", comment=WORDS.encode())).infotext == WORDS


def test_a_text_behind_the_pixels_is_read() -> None:
    data = encoded("PNG")
    end = data.index(b"IEND") - 4
    late = data[:end] + chunk(b"tEXt", b"parameters\0late words") + data[end:]
    assert metadata.read(late).infotext == "late words"


def test_a_file_is_read_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(metadata.write_png(IMAGE, WORDS))
    assert metadata.read(path).infotext == WORDS


@pytest.mark.parametrize("record", ["{", "[1]", '{"request": 5, "index": "x", "versions": []}', "[" * 50_000])
def test_a_damaged_record_leaves_the_infotext(record: str) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("parameters", "words")
    text.add_text("darkroom", record)
    found = metadata.read(encoded("PNG", pnginfo=text))
    assert found.infotext == "words" and found.request is None and found.index == 0


GOOD = metadata.write_png(IMAGE, WORDS, {"seed": 1})
BROKEN = {
    "nothing": b"",
    "text": b"hello",
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
    "signature-only": GOOD[:8],
    "cut-in-the-header": GOOD[:20],
    "cut-in-a-text": GOOD[:70],
    "wrong-checksum": GOOD[:45] + b"\xff" + GOOD[46:],
    "no-size": huge_png(0, 0),
    "bomb": huge_png(60_000, 60_000),
    "bomb-without-alarm": huge_png(9_500, 9_500),
    "text-bomb": GOOD[:33] + chunk(b"zTXt", b"parameters\0\0" + zlib.compress(b"a" * 80_000_000, 9)) + GOOD[33:],
    "jpeg-cut": encoded("JPEG")[:30],
    "webp-cut": encoded("WEBP")[:30],
}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_a_sentence(name: str) -> None:
    with pytest.raises(BadPicture) as caught:
        metadata.read(BROKEN[name])
    assert caught.value.detail.endswith(".") and "Traceback" not in caught.value.detail


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([GOOD, encoded("JPEG", exif=exif(WORDS.encode())), encoded("WEBP"), encoded("GIF")]), st.data())
@pytest.mark.filterwarnings("ignore")
def test_any_damage_is_read_or_refused(good: bytes, data: st.DataObject) -> None:
    broken = bytearray(good)
    for _ in range(data.draw(st.integers(1, 4))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(1, len(broken)))
    try:
        metadata.read(bytes(broken[:cut]))
    except BadPicture as error:
        assert error.detail


def test_a_missing_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadPicture, match=r"gone\.png is not there"):
        metadata.read(tmp_path / "gone.png")
