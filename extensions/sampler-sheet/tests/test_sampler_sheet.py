"""The script asks for one picture with each sampler, and its sheet has them all, in order."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image

from webui.extend.testing import Desk


def test_the_sheet_is_made_of_one_job_for_each_sampler(desk: Desk) -> None:
    options = {"samplers": "Euler, Heun , DPM++ 2M", "columns": 2, "side": 64}
    asked = {"prompt": "a red circle", "steps": 3, "seed": 9, "extensions": {"sampler-sheet": options}}
    job = desk.client.post("/api/v1/scripts/sampler-sheet", json=asked).raise_for_status().json()
    ended = desk.finished(job["id"])
    assert ended["state"] == "done", ended["problem"]
    jobs = [
        desk.client.get(f"/api/v1/jobs/{one['id']}").json() for one in desk.client.get("/api/v1/jobs").json()["jobs"]
    ]
    children = sorted((one for one in jobs if one["parent"] == job["id"]), key=lambda one: one["created"])
    assert [one["request"]["sampler_name"] for one in children] == ["Euler", "Heun", "DPM++ 2M"]
    assert {one["request"]["seed"] for one in children} == {9}
    (picture,) = ended["pictures"]
    assert "Script: Sampler sheet" in picture["infotext"]
    assert 'Sampler sheet Samplers: "Euler, Heun , DPM++ 2M"' in picture["infotext"], "what made it comes back with it"
    image = Image.open(io.BytesIO(desk.client.get(f"/api/v1/pictures/{picture['id']}/file").content))
    assert image.width == 8 + 2 * 72 and image.height > 2 * 64


def test_a_sampler_that_is_not_there_says_so_in_its_cell(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Any] = []
    module = desk.module("extension")
    real = module.draw_sheet
    monkeypatch.setattr(module, "draw_sheet", lambda cells, *rest: (drawn.extend(cells), real(cells, *rest))[1])
    options = {"samplers": "Elur, Euler", "columns": 2, "side": 64}
    asked = {"prompt": "a red circle", "steps": 2, "extensions": {"sampler-sheet": options}}
    job = desk.client.post("/api/v1/scripts/sampler-sheet", json=asked).raise_for_status().json()
    ended = desk.finished(job["id"])
    assert ended["state"] == "done", ended["problem"]
    assert [(name, picture is None, problem) for name, picture, problem in drawn] == [
        ("Elur", True, "Unknown sampler 'Elur'. Did you mean 'Euler'?"),
        ("Euler", False, ""),
    ]


def test_without_a_name_it_fails_with_a_sentence(desk: Desk) -> None:
    asked = {"prompt": "x", "steps": 1, "extensions": {"sampler-sheet": {"samplers": " , ", "columns": 1}}}
    job = desk.client.post("/api/v1/scripts/sampler-sheet", json=asked).raise_for_status().json()
    ended = desk.finished(job["id"])
    assert ended["state"] == "failed" and "No sampler is named" in ended["problem"]["detail"]


def test_cells_are_drawn_in_rows_and_a_failure_is_told_in_its_place(desk: Desk) -> None:
    red, tall = Image.new("RGB", (128, 128), "red"), Image.new("RGB", (64, 128), "blue")
    sheet = desk.module("sheet").draw_sheet([("a", red, ""), ("b", tall, ""), ("c", None, "It did not go.")], 2, 64)
    head = sheet.height // 2 - 64
    assert sheet.getpixel((8 + 32, 8 + head + 20)) == (255, 0, 0)
    assert sheet.getpixel((8 + 72 + 16, 8 + head + 20)) == (0, 0, 255)
    assert sheet.getpixel((8 + 72 + 50, 8 + head + 20)) == (255, 255, 255), "its shape is kept"
    below = sheet.crop((8, sheet.height // 2 + head, 72, sheet.height))
    assert any(red > 150 and green < 60 for _, (red, green, _) in below.getcolors(100_000)), "in red letters"
