"""launch.py caption: a picture in words, several of them, for programs; what to get where there is no captioner."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.engine.captions.tiny_blip import WORDS, write_blip
from webui.cli import main


def run(home: Path, *arguments: str) -> int:
    return main(["caption", "--data-dir", str(home), *arguments])


def test_pictures_are_put_into_words(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_blip(home / "models" / "BLIP" / "tiny")
    for name, mode in (("one.png", "RGB"), ("two.png", "LA")):
        Image.new(mode, (40, 30)).save(tmp_path / name)
    assert run(home, "one.png") == 0
    said = capsys.readouterr()
    text = said.out.strip()
    assert text and set(text.split()) <= set(WORDS) and "Looking at the picture" in said.err
    assert run(home, "one.png", "two.png", "--captioner", "tiny") == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == f"one.png: {text}" and second.startswith("two.png: ")
    assert run(home, "one.png", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"file": "one.png", "caption": text, "captioner": "tiny"}


def test_what_is_missing_is_said_before_anything_is_done(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (40, 30)).save(tmp_path / "one.png")
    (tmp_path / "two.png").write_bytes(b"no picture")
    assert run(home, "one.png") == 1
    told = capsys.readouterr().err
    assert "There is no captioner here" in told and "models/BLIP" in told
    write_blip(home / "models" / "BLIP" / "tiny")
    assert run(home, "one.png", "two.png") == 2
    said = capsys.readouterr()
    assert said.out == "" and "two.png is not a picture" in said.err
    assert run(home, "gone.png") == 2
    assert "gone.png is not there" in capsys.readouterr().err
