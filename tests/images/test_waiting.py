"""Pictures that wait: plain whatever they were, refused in a sentence, kept as long as they are named."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from webui.core.errors import BadPicture, StorageProblem
from webui.images.waiting import SIDE, WaitingPictures, plain


def encoded(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def seen_through() -> bytes:
    """A palette of one colour, which is not seen."""
    image = Image.new("P", (9, 9), 0)
    image.putpalette([0, 0, 0])
    return encoded(image, transparency=0)


WHITE, GREY, RED = (255, 255, 255), (128, 128, 128), (255, 0, 0)
KINDS = {
    "16 bits": (encoded(Image.fromarray(np.full((9, 9), 128 * 257, np.uint16))), GREY),
    "transparent": (encoded(Image.new("RGBA", (9, 9), (255, 0, 0, 0))), WHITE),
    "half transparent": (encoded(Image.new("RGBA", (9, 9), (255, 0, 0, 128))), (255, 127, 127)),
    "transparent palette": (seen_through(), WHITE),
    "CMYK": (encoded(Image.new("CMYK", (9, 9), (0, 255, 255, 0)), "TIFF"), RED),
    "black and white": (encoded(Image.new("1", (9, 9), 1)), WHITE),
    "moving": (
        encoded(Image.new("RGB", (9, 9), RED), "GIF", save_all=True, append_images=[Image.new("RGB", (9, 9))]),
        RED,
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_picture_becomes_plain(kind: str) -> None:
    data, colour = KINDS[kind]
    made = plain(data)
    assert (made.mode, made.size) == ("RGB", (9, 9))
    assert made.getpixel((4, 4)) == colour


def test_a_large_one_is_made_small_and_a_turned_one_upright() -> None:
    image = Image.new("RGB", (3 * SIDE, SIDE), RED)
    exif = image.getexif()
    exif[0x0112] = 6
    assert plain(encoded(image, "JPEG", exif=exif)).size == (341, SIDE)


def test_what_is_no_picture_is_refused_in_a_sentence(tmp_path: Path) -> None:
    whole = encoded(Image.effect_noise((64, 64), 90))
    for bad in (b"", b"no picture", whole[: len(whole) // 2], encoded(Image.new("1", (30_000, 30_000)))):
        with pytest.raises(BadPicture) as told:
            WaitingPictures(tmp_path / "waiting").put(bad)
        assert told.value.detail.endswith(".")
    assert not (tmp_path / "waiting").exists()


def test_a_picture_is_kept_by_its_content_until_nobody_names_it(tmp_path: Path) -> None:
    pictures = WaitingPictures(tmp_path / "waiting")
    pictures.keep_only([])
    red, again = (pictures.put(encoded(Image.new("RGB", (9, 9), RED))) for _ in range(2))
    blue = pictures.put(encoded(Image.new("RGB", (9, 9), "blue")))
    assert red == again != blue
    with Image.open(pictures.get(red)) as image:
        assert image.getpixel((0, 0)) == RED
    pictures.keep_only([blue])
    for gone in (red, "../../secret", ""):
        with pytest.raises(BadPicture, match="not here any more"):
            pictures.get(gone)
    assert [path.stem for path in (tmp_path / "waiting").iterdir()] == [blue]


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "waiting").write_bytes(b"")
    with pytest.raises(StorageProblem, match="The picture cannot be kept"):
        WaitingPictures(tmp_path / "waiting").put(encoded(Image.new("RGB", (9, 9))))
