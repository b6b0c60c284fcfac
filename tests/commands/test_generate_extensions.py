"""Flags of extensions' fields: in the help, in the request, and refused in sentences."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from webui.cli import main
from webui.commands.generate import known_panels
from webui.core.paths import Paths
from webui.images.metadata import read
from webui.jobs.queue import Queue

DEMO = """
from webui.extend import Field, hookimpl

@hookimpl
def fields():
    return [
        Field("enabled", "bool", "Enable", "Use 100% of it.", False),
        Field("shift_by", "int", "Shift", "How far.", 2, minimum=0, maximum=10),
        Field("note", "text", "Note", "What to say.", ""),
    ]
"""
SMALL = ["--steps", "2", "--size", "64x64", "--seed", "1"]


@pytest.fixture
def demo(home: Path) -> Path:
    folder = home / "extensions" / "my-demo"
    folder.mkdir(parents=True)
    (folder / "extension.toml").write_text('name = "my-demo"\nversion = "1"\napi = "1"\ntitle = "Demo"\n', "utf-8")
    (folder / "extension.py").write_text(DEMO, "utf-8")
    return home


MANY = """
from PIL import Image
from webui.extend import Script, hookimpl

@hookimpl
def scripts():
    return [Script(name, name, f"extension:{name}_", pictures=3) for name in ("none", "many", "wrong")]

def none_(request, options):
    yield [request, request]

def many_(request, options):
    yield []
    return [Image.new("RGB", (8, 8))] * 3

def wrong_(request, options):
    yield 5
"""


def made(home: Path, *arguments: str) -> Any:
    out = home / "out.png"
    assert main(["generate", "--data-dir", str(home), *SMALL, "-o", str(out), *arguments]) == 0
    request = read(out).request
    assert request is not None
    return request["extensions"]


def test_they_have_flags_that_make_a_request(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert made(demo, "x", "--my-demo-enabled", "--my-demo-shift-by", "5") == {
        "my-demo": {"enabled": True, "shift_by": 5, "note": ""}
    }
    assert made(demo, "x", "--my-demo-shift-by", "5") == {}, "what is not switched on does not count"
    with pytest.raises(SystemExit):
        main(["generate", "--data-dir", str(demo), "--help"])
    said = capsys.readouterr().out
    assert "the extension my-demo: Demo" in said and "--my-demo-shift-by N" in said and "Use 100% of it." in said


def test_extensions_are_loaded_only_where_a_word_could_be_theirs(demo: Path) -> None:
    usual = [
        "a red -- circle",
        "--seed",
        "1",
        "--data-dir",
        str(demo),
        "--no-alone",
        "--json",
        "--size=64x64",
        "-o",
        "x",
    ]
    assert known_panels(usual) == {}
    for word in ("-h", "--help", "--my-demo-enabled", "--my-demo-shift-by=3", "--misspelt"):
        assert "my-demo" in known_panels([*usual, word])
    assert "my-demo" not in known_panels([*usual, "--help", "--disable-all-extensions"])


def test_flags_lie_over_a_file_s_values(demo: Path) -> None:
    file = demo / "request.json"
    file.write_text(json.dumps({"prompt": "x", "extensions": {"my-demo": {"enabled": True, "note": "a"}}}), "utf-8")
    asked = made(demo, "--request", str(file), "--my-demo-shift-by", "7")
    assert asked == {"my-demo": {"enabled": True, "note": "a", "shift_by": 7}}
    assert made(demo, "--request", str(file), "--no-my-demo-enabled") == {}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--my-demo-shift-by", "50"], "between 0 and 10"),
        (["--my-demo-shift-by", "five"], "must be a number"),
        (["--my-demo-shift-bye", "5"], "Did you mean --my-demo-shift-by?"),
    ],
)
def test_what_they_cannot_take_is_said(
    demo: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main(["generate", "--data-dir", str(demo), "x", "--my-demo-enabled", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_one_that_is_switched_off_has_none(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = demo / "data" / "settings.json"
    settings.parent.mkdir(exist_ok=True)
    settings.write_text('{"disabled_extensions": ["my-demo"]}', "utf-8")
    assert main(["generate", "--data-dir", str(demo), "x", "--my-demo-shift-by", "5"]) == 2
    assert "There is no flag --my-demo-shift-by" in capsys.readouterr().err


def test_a_script_is_started_with_the_request(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = home / "sheet.png"
    asked = ["--script", "sampler-sheet", "--sampler-sheet-samplers", "Euler, Heun", "-o", str(out)]
    assert main(["generate", "--data-dir", str(home), *SMALL, "x", *asked]) == 0
    queue = Queue(Paths(data_dir=home).database)
    jobs = queue.list()
    queue.close()
    (script,) = (job for job in jobs if job.task == "script")
    assert sorted(job.picture_request.sampler_name for job in jobs if job.parent == script.id) == ["Euler", "Heun"]
    assert Image.open(out).width > 2 * 256
    assert main(["generate", "--data-dir", str(home), "x", "--script", "sampler-sheat"]) != 0
    assert "Did you mean 'sampler-sheet'?" in capsys.readouterr().err


def test_a_script_that_ends_well_is_a_success_with_no_picture_and_with_many(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = home / "extensions" / "maker"
    folder.mkdir(parents=True)
    (folder / "extension.toml").write_text('name = "maker"\nversion = "1"\napi = "1"\n', encoding="utf-8")
    (folder / "extension.py").write_text(MANY, encoding="utf-8")
    asked = ["generate", "--data-dir", str(home), "x", "--steps", "1", "--size", "64x64"]
    assert main([*asked, "--script", "none"]) == 0
    assert "The pictures are those of its requests: 2." in capsys.readouterr().err
    out = tmp_path / "out.png"
    assert main([*asked, "--script", "many", "-o", str(out)]) == 0
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["out-2.png", "out-3.png", "out.png"]
    assert main([*asked, "--script", "wrong"]) == 1
