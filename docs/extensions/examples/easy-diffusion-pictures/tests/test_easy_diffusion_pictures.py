"""A picture of theirs is read, another program's is left to others, and a damaged one names the extension."""

import io
from typing import Any

from PIL import Image, PngImagePlugin

from webui.extend.testing import Desk

THEIRS = {
    "prompt": "a red circle",
    "negative_prompt": "lowres",
    "num_inference_steps": "28",
    "guidance_scale": "11.0",
    "seed": "2271",
    "sampler_name": "euler_a",
}


def read(desk: Desk, **texts: str) -> dict[str, Any]:
    info = PngImagePlugin.PngInfo()
    for keyword, text in texts.items():
        info.add_text(keyword, text)
    file = io.BytesIO()
    Image.new("RGB", (64, 128)).save(file, format="PNG", pnginfo=info)
    answer: dict[str, Any] = desk.client.post("/api/v1/pictures/read", content=file.getvalue()).json()
    return answer


def test_it_reads_their_picture(desk: Desk) -> None:
    found = read(desk, **THEIRS)
    assert found["reader"] == "Easy Diffusion" and found["problems"] == []
    wanted = {"prompt": "a red circle", "negative_prompt": "lowres", "steps": 28, "cfg_scale": 11.0, "seed": 2271}
    assert wanted.items() <= found["values"].items()
    wanted = {"sampler_name": "Euler a", "width": 64, "height": 128}
    assert wanted.items() <= found["values"].items()


def test_other_pictures_are_left_to_others(desk: Desk) -> None:
    assert read(desk, prompt="a red circle", seed="5")["reader"] == ""
    assert read(desk, parameters="a cat\nSteps: 3, Sampler: Euler, Seed: 1")["reader"] == "Parameters text"


def test_a_damaged_one_is_said_to_be(desk: Desk) -> None:
    found = read(desk, num_inference_steps="many")
    assert found["reader"] == "" and "'easy-diffusion-pictures' failed in metadata_readers" in found["problems"][0]
