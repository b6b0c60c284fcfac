"""Pictures that somebody brings: read by Darkroom's own reader first, then by extensions', one failure stops none."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from PIL import Image, PngImagePlugin

from tests.conftest import SHAM_NAME, make_sham
from tests.images.readers import comfy
from tests.web.helpers import TINY, Site, finished, serving
from webui.web.identity import Sharing

READERS = """
import time
from webui.extend import MetadataReader, hookimpl

@hookimpl
def metadata_readers():
    return [
        MetadataReader("fails", "Fails", "extension:fails"),
        MetadataReader("exits", "Exits", "extension:exits"),
        MetadataReader("odd", "Odd", "extension:odd"),
        MetadataReader("text", "As text", "extension:text"),
        MetadataReader("pixels", "Pixels", "extension:pixels"),
    ]

def fails(file):
    return 1 / 0 if "fails" in file.texts else None

def exits(file):
    if "exits" in file.texts:
        raise SystemExit

def odd(file):
    return 5 if "odd" in file.texts else None

def text(file):
    if "text" in file.texts or "Make" in file.exif:
        return "a " + (file.exif.get("Make") or file.texts["text"]) + "\\nSteps: 4, Sampler: Euler, Seed: 9"

def pixels(file):
    if file.image().getpixel((0, 0)) == (1, 2, 3):
        return {"prompt": "found in pixels", "steps": 7, "cfg_scale": "high", "wings": 2, "sampler_name": "k_none"}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("readers")
    make_sham(folder / "models" / "Stable-diffusion" / SHAM_NAME)
    home = folder / "extensions" / "readers"
    home.mkdir(parents=True)
    (home / "extension.toml").write_text('name = "readers"\nversion = "1"\napi = "1"\n')
    (home / "extension.py").write_text(READERS)
    with serving(folder, Sharing(share=True), page=False) as made:
        yield made


def png(colour: tuple[int, int, int] = (0, 0, 0), **texts: str) -> bytes:
    info, file = PngImagePlugin.PngInfo(), io.BytesIO()
    for keyword, text in texts.items():
        info.add_text(keyword, text)
    Image.new("RGB", (64, 32), colour).save(file, format="PNG", pnginfo=info)
    return file.getvalue()


def read(site: Site, data: bytes) -> dict[str, object]:
    answer = site.visitor().post("/api/v1/pictures/read", content=data, headers={"Content-Type": "image/png"})
    found: dict[str, object] = answer.raise_for_status().json()
    return found


def test_a_picture_of_our_own_fills_the_form_as_its_text_does(site: Site) -> None:
    client = site.owner()
    made = client.post("/api/v1/jobs", json={**TINY, "prompt": "a walrus", "seed": 11}).json()
    (picture,) = finished(client, made["id"])["pictures"]
    found = read(site, client.get(picture["url"]).content)
    said = client.post("/api/v1/infotext", json={"text": picture["infotext"]}).json()
    assert (found["values"], found["unknown"]) == (said["values"], said["unknown"])
    assert (found["reader"], found["infotext"]) == ("Parameters text", picture["infotext"])


def test_what_darkroom_knows_is_not_asked_of_extensions(site: Site) -> None:
    found = read(site, png(parameters="a cat\nSteps: 2, Sampler: Euler, Seed: 1", fails="yes"))
    assert found["reader"] == "Parameters text" and found["problems"] == []


def test_another_program_s_picture_fills_the_form(site: Site) -> None:
    found = read(site, png(prompt=comfy.graph(n3=comfy.sampler(seed=2**40)), fails="yes"))
    assert found["reader"] == "ComfyUI" and found["problems"] == []
    expected = {"prompt": "a red house", "steps": 25, "sampler_name": "DPM++ 2M", "scheduler": "Karras", "height": 768}
    assert expected.items() <= dict(found["values"]).items()
    # What this installation lacks or no field takes is told.
    assert found["unknown"] == {"seed": str(2**40), "Model": "dreamy_8"}
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x0110] = "prompt:" + comfy.graph()
    Image.new("RGB", (8, 8)).save(file, format="WEBP", exif=exif)
    assert dict(read(site, file.getvalue())["values"])["seed"] == 42


def test_an_extension_s_text_and_its_exif(site: Site) -> None:
    found = read(site, png(text="dog"))
    assert found["reader"] == "As text"
    assert {"prompt": "a dog", "steps": 4, "seed": 9, "sampler_name": "Euler"}.items() <= dict(found["values"]).items()
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x010F] = "camera"
    Image.new("RGB", (8, 8)).save(file, format="JPEG", exif=exif)
    assert dict(read(site, file.getvalue())["values"])["prompt"] == "a camera"


def test_fields_are_checked_and_what_none_takes_is_unknown(site: Site) -> None:
    found = read(site, png((1, 2, 3)))
    assert found["values"] == {"prompt": "found in pixels", "steps": 7, "scheduler": "Automatic"}
    assert found["unknown"] == {"cfg_scale": "high", "wings": "2", "Sampler": "k_none"}
    assert (found["width"], found["height"]) == (64, 32)


@pytest.mark.parametrize(
    ("key", "said"), [("fails", "ZeroDivisionError"), ("exits", "SystemExit"), ("odd", "it returned int")]
)
def test_a_reader_that_fails_is_named_and_the_next_is_asked(site: Site, key: str, said: str) -> None:
    found = read(site, png(text="dog", **{key: "yes"}))
    assert found["reader"] == "As text"
    (problem,) = list(found["problems"])  # type: ignore[call-overload]
    assert "'readers' failed in metadata_readers" in problem and said in problem


def test_what_is_no_picture_is_refused(site: Site) -> None:
    for data in (b"", b"hello", png()[:40]):
        answer = site.visitor().post("/api/v1/pictures/read", content=data)
        assert answer.status_code == 422 and answer.json()["type"] == "bad-picture", answer.text
