"""extensions add, update, enable, disable, remove, restore, search: nothing is done before it is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.commands.test_extensions import extension as put
from tests.extension_life.conftest import extension
from tests.web.helpers import Site
from webui.cli import main


def run(home: Path, *arguments: str) -> int:
    return main(["extensions", *arguments, "--data-dir", str(home)])


def names(home: Path) -> list[str]:
    folder = home / "extensions"
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith(".")) if folder.is_dir() else []


def test_nothing_is_installed_before_somebody_agrees(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = extension(tmp_path / "source", permissions=["network"], description="Swirls")
    manifest = source / "extension.toml"
    manifest.write_text(manifest.read_text().replace("Swirls", r"Swirls\u001b[31m\nred"))
    assert run(home, "add", str(source)) == 2
    said = capsys.readouterr().err
    assert "network (asks servers on the network)" in said and "sha256" in said and "Nobody is here to agree" in said
    assert "\x1b" not in said
    assert names(home) == []
    assert run(home, "add", str(source), "--yes") == 0
    assert "mine 1 is installed. It counts from the next start on." in capsys.readouterr().out
    assert names(home) == ["mine"]
    assert not [path for path in (home / "extensions").iterdir() if path.name.startswith(".fetched")]


def test_update_switch_remove_and_back(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = extension(tmp_path / "source")
    run(home, "add", str(source), "--yes")
    extension(source, version="2", author="B")
    assert run(home, "update") == 0
    assert "mine: update to other files" in capsys.readouterr().out
    assert run(home, "update", "mine", "--yes") == 0
    assert "From version 1 to 2." in capsys.readouterr().err
    assert run(home, "disable", "mine") == 0
    assert json.loads((home / "data" / "settings.json").read_text())["disabled_extensions"] == ["mine"]
    assert run(home, "list", "--json") == 0
    row = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (row["enabled"], row["source"], len(row["sha256"])) == (False, str(source), 64)
    assert run(home, "enable", "mine") == 0
    assert run(home, "remove", "mine") == 0
    assert names(home) == []
    assert run(home, "restore", "mine") == 0
    assert names(home) == ["mine"]


def test_what_is_wrong_is_said_with_its_exit_code(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(home, "mine", "")
    assert run(home, "remove", "min") == 2
    assert "Did you mean 'mine'" in capsys.readouterr().err
    assert run(home, "add", "git://example.org/x") == 2
    assert run(home, "update", "mine") == 2
    assert "by hand" in capsys.readouterr().err
    assert run(home, "ad") == 2


def test_search_without_and_with_a_list(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(home, "search", "grid") == 1
    assert "extension_indexes" in capsys.readouterr().out
    index = tmp_path / "index.json"
    index.write_text(json.dumps({"extensions": [{"name": "grid", "source": "pypi:grid", "version": "3"}]}))
    monkeypatch.setenv("DARKROOM_EXTENSION_INDEXES", str(index))
    assert run(home, "search", "grid") == 0
    assert "grid  3  pypi:grid" in capsys.readouterr().out


def test_safe_mode_loads_none_and_the_commands_work_all_the_same(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(home, "torn", "raise ValueError('no')\n")
    assert run(home, "--safe-mode") == 0
    assert "There are no extensions" in capsys.readouterr().out
    assert run(home, "disable", "torn", "--safe-mode") == 0
    assert run(home) == 0


def test_the_list_says_what_lacks_packages(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    extension(home / "extensions" / "mine", dependencies=["dk-nothing>=2", "numpy"])
    assert run(home) == 0
    assert "loaded, but lacks dk-nothing>=2: launch.py extensions packages" in capsys.readouterr().out


def test_a_running_server_keeps_its_settings(site: Site, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(home, "mine", "")
    assert run(home, "disable", "mine") == 0
    assert "Darkroom runs; it counts from the next start on." in capsys.readouterr().out
    assert site.house.settings.current.disabled_extensions == ("mine",)
