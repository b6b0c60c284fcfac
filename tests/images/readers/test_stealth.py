"""Words in the lowest bits of pixels are found, and pictures without any are not taken for such."""

import gzip
import io
import json

import numpy as np
import pytest
from PIL import Image

from webui.images.picture_file import read_file
from webui.images.readers.stealth import hidden_text, read

TEXT = "a red house\nSteps: 20, Sampler: Euler, Seed: 4"
NOVELAI = {"Software": "NovelAI", "Description": "a {fox}", "Comment": json.dumps({"steps": 28, "prompt": "a {fox}"})}


def hide(words, mode="RGBA", packed=True, size=(48, 64), length=None):
    """A picture with words in it, bit by bit down the columns."""
    data = gzip.compress(words.encode()) if packed else words.encode()
    sign = f"stealth_{'png' if mode == 'RGBA' else 'rgb'}{'comp' if packed else 'info'}".encode()
    count = len(data) * 8 if length is None else length
    bits = [byte >> place & 1 for byte in sign + count.to_bytes(4, "big") + data for place in range(7, -1, -1)]
    image = Image.new(mode, size, (200, 100, 50, 254)[: len(mode)])
    pixels, width = image.load(), 1 if mode == "RGBA" else 3
    for number in range(-(-len(bits) // width)):
        x, y = divmod(number, size[1])
        values = list(pixels[x, y])
        for place, bit in enumerate(bits[number * width : (number + 1) * width]):
            values[3 if mode == "RGBA" else place] = (254 if mode == "RGBA" else 100) | bit
        pixels[x, y] = tuple(values)
    return image


def file_of(image, kind="PNG"):
    data = io.BytesIO()
    image.save(data, kind, lossless=True) if kind == "WEBP" else image.save(data, kind)
    return read_file(data.getvalue())


@pytest.mark.parametrize("mode", ["RGBA", "RGB"])
@pytest.mark.parametrize("packed", [True, False])
def test_words_are_found(mode, packed):
    assert hidden_text(hide(TEXT, mode, packed)) == TEXT


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_a_file_gives_the_text_that_a1111_s_extension_hid(kind):
    assert read(file_of(hide(TEXT, "RGB" if kind == "WEBP" else "RGBA"), kind)) == TEXT


def test_novelai_s_object_becomes_values():
    found = read(file_of(hide(json.dumps(NOVELAI), size=(64, 96))))
    assert found == {"prompt": "a (fox:1.05)", "negative_prompt": "", "steps": 28, "width": 64, "height": 96}


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P"])
def test_a_picture_without_words_has_none(mode):
    noise = np.random.default_rng(1).integers(0, 256, (40, 30, 4), dtype=np.uint8)
    assert hidden_text(Image.fromarray(noise, "RGBA").convert(mode)) == ""
    assert hidden_text(Image.new(mode, (1, 1))) == ""


@pytest.mark.parametrize("length", [0, 2**31, 2**32 - 1])
def test_a_length_that_lies_is_no_text(length):
    assert hidden_text(hide(TEXT, length=length)) == ""


def test_what_is_packed_to_burst_is_cut():
    image = hide("x" * 5_000_000, size=(300, 300))
    assert len(hidden_text(image)) == 1_000_000
