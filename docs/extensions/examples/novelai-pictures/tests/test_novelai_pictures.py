"""A picture of theirs is read, another program's is left to others, and a damaged one names the extension."""

import io
from typing import Any

from PIL import Image, PngImagePlugin

from webui.extend.testing import Desk

COMMENT = '{"steps": 28, "sampler": "k_euler_ancestral", "seed": 2271, "scale": 11.0, "uc": "lowres", "noise": 0.2}'


def read(desk: Desk, **texts: str) -> dict[str, Any]:
    info = PngImagePlugin.PngInfo()
    for keyword, text in texts.items():
        info.add_text(keyword, text)
    file = io.BytesIO()
    Image.new("RGB", (64, 128)).save(file, format="PNG", pnginfo=info)
    answer: dict[str, Any] = desk.client.post("/api/v1/pictures/read", content=file.getvalue()).json()
    return answer


def test_it_reads_their_picture(desk: Desk) -> None:
    found = read(desk, Software="NovelAI", Description="a red circle", Comment=COMMENT)
    assert found["reader"] == "NovelAI" and found["problems"] == []
    wanted = {"prompt": "a red circle", "negative_prompt": "lowres", "steps": 28, "cfg_scale": 11.0, "seed": 2271}
    assert wanted.items() <= found["values"].items()
    assert (found["values"]["sampler_name"], found["values"]["width"], found["values"]["height"]) == (
        "Euler a",
        64,
        128,
    )


def test_other_pictures_are_left_to_others(desk: Desk) -> None:
    assert read(desk, Software="Something else", Comment=COMMENT)["reader"] == ""
    assert read(desk, parameters="a cat\nSteps: 3, Sampler: Euler, Seed: 1")["reader"] == "Parameters text"


def test_a_damaged_one_is_said_to_be(desk: Desk) -> None:
    found = read(desk, Software="NovelAI", Comment="{")
    assert found["reader"] == "" and "'novelai-pictures' failed in metadata_readers" in found["problems"][0]
