"""A Chromium is found where it may be, or installed, or its absence is said."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.bootstrap.conftest import NotingShell
from webui.bootstrap import browser
from webui.bootstrap.environment import Environment
from webui.bootstrap.trouble import Trouble


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser, "PLACES", ())
    monkeypatch.setattr(shutil, "which", lambda name, path=None: None)
    monkeypatch.setattr(browser, "_is_debian", lambda: False)


def test_the_variable_comes_first_and_a_wrong_one_is_said(environment: Environment, tmp_path: Path) -> None:
    program = tmp_path / "chromium"
    program.write_text("", "utf-8")
    environment.shell.environ[browser.VARIABLE] = str(program)
    assert browser.find_or_install(environment) == str(program)
    program.unlink()
    with pytest.raises(Trouble, match="not there"):
        browser.find_or_install(environment)


def test_one_on_the_path_is_taken(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, path=None: "/x/" + name if name == "google-chrome" else None)
    assert browser.find_or_install(environment) == "/x/google-chrome"


def test_playwrights_is_installed_when_there_is_none(
    environment: Environment, shell: NotingShell, tmp_path: Path
) -> None:
    program = tmp_path / "playwrights"
    shell.rule("executable_path", f"{program}\n")

    def install(command: list[str]) -> object:
        if "playwright" in command:
            program.write_text("", "utf-8")
        return NotingShell.show(shell, command)

    shell.show = install  # type: ignore[method-assign, assignment]
    assert browser.find_or_install(environment) == str(program)
    assert any("playwright install chromium" in line for line in shell.commands)


def test_root_on_debian_installs_the_systems(
    environment: Environment, shell: NotingShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell.rule("playwright", "no network", 1)
    monkeypatch.setattr(browser, "_is_debian", lambda: True)
    monkeypatch.setattr(os, "geteuid", lambda: 0, raising=False)
    monkeypatch.setattr(
        shutil, "which", lambda name, path=None: "/usr/bin/chromium" if shell.commands[-1:] == [APT] else None
    )
    assert browser.find_or_install(environment) == "/usr/bin/chromium"
    assert shell.commands[-2:] == ["apt-get update", APT]


APT = "apt-get install -y chromium"


def test_without_any_the_ways_are_said(environment: Environment, shell: NotingShell) -> None:
    shell.rule("playwright", "no network", 1)
    with pytest.raises(Trouble, match="No Chromium") as caught:
        browser.find_or_install(environment)
    assert any("not browser" in way for way in caught.value.ways)
    assert not any("apt-get" in line for line in shell.commands)
