"""extensions lists what was found, and its exit code says whether something is broken."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

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
