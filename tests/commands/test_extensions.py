"""extensions lists what was found, and its exit code says whether something is broken."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from webui.author.check import Finding
from webui.cli import main

MANIFEST = 'name = "{}"\nversion = "1"\napi = "1"\n'
ROW = """from webui.extend import Command, hookimpl
@hookimpl
def commands():
    return [Command("greet", "extension:greet", "Say hello.")]
def greet(arguments):
    print("hello", *arguments)
    return 3
"""


def extension(home: Path, name: str, text: str) -> None:
    folder = home / "extensions" / name
    folder.mkdir(parents=True)
    (folder / "extension.toml").write_text(MANIFEST.format(name), "utf-8")
    (folder / "extension.py").write_text(text, "utf-8")


def run(home: Path, *arguments: str) -> int:
    return main(["extensions", "--data-dir", str(home), *arguments])


def test_broken_and_switched_off_ones_are_told_apart(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    extension(home, "fine", "")
    extension(home, "torn", "raise ValueError('no')\n")
    assert run(home) == 1
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert lines["fine"].endswith("loaded")
    assert "failed to load: ValueError: no" in lines["torn"]
    monkeypatch.setenv("DARKROOM_DISABLED_EXTENSIONS", "torn")
    assert run(home, "list", "--json") == 0
    facts = {row["name"]: row for row in map(json.loads, capsys.readouterr().out.splitlines())}
    assert (facts["torn"]["ok"], facts["torn"]["enabled"]) == (False, False)


def test_none_are_loaded_when_all_are_off(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    extension(home, "torn", "raise ValueError('no')\n")
    assert run(home, "--disable-all-extensions") == 0
    assert "There are no extensions" in capsys.readouterr().out


def test_an_extensions_command_is_a_command(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    extension(home, "greeter", ROW)
    assert main(["--data-dir", str(home), "greet", "you"]) == 3
    assert capsys.readouterr().out == f"hello --data-dir {home} you\n"
    assert main(["--help", "--data-dir", str(home)]) == 0
    assert "greet       Say hello." in capsys.readouterr().out


def test_new_says_how_to_try_it_in_the_same_data_folder(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(home, "new", "my-thing", "--kind", "prompt") == 0
    said = capsys.readouterr().out
    assert "transform_prompt" in (home / "extensions" / "my-thing" / "worker.py").read_text("utf-8")
    assert said.rstrip().endswith(f"launch.py extensions check my-thing --data-dir {home}")
    assert run(home, "new", "other", "--kind", "promt") == 2
    assert "prompt" in capsys.readouterr().err


def test_check_has_a_head_and_ends_with_what_is_wrong(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    extension(home, "mine", "")
    parts = [
        Finding("manifest", "ok", "mine 1"),
        Finding("types", "wrong", "a line\nanother"),
        Finding("tests", "wrong"),
    ]
    monkeypatch.setattr("webui.commands.extensions_author.check", lambda *given: iter(parts))
    assert run(home, "check", "mine") == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["part", "outcome"] and lines[-1] == "Wrong: types, tests."
    assert lines[2:5] == ["types     wrong", "  a line", "  another"]
    monkeypatch.setattr("webui.commands.extensions_author.check", lambda *given: iter(parts[:1]))
    assert run(home, "check", "mine") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "Nothing is wrong."
    unseen = [parts[0], Finding("types", "left out", "mypy is not installed"), Finding("tests", "left out")]
    monkeypatch.setattr("webui.commands.extensions_author.check", lambda *given: iter(unseen))
    assert run(home, "check", "mine") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "Nothing is wrong. Left out: types, tests."
