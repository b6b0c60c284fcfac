"""The .venv is made once, mended when it is broken, and no other folder is ever cleared."""

from __future__ import annotations

import errno
import importlib.util
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.bootstrap.conftest import NotingShell, fake_environment
from webui.bootstrap.environment import STAMP, Environment, Stamp
from webui.bootstrap.shell import Outcome
from webui.bootstrap.trouble import Trouble

VERSION = "{}.{}".format(*sys.version_info[:2])


def makings(shell: NotingShell) -> list[str]:
    return [line for line in shell.commands if " -m venv " in line]


def test_the_first_start_makes_it_and_the_second_runs_nothing(environment: Environment, shell: NotingShell) -> None:
    environment.ensure()
    assert len(makings(shell)) == 1
    environment.write_stamp(Stamp(files={"a": "1"}))
    shell.commands.clear()
    environment.ensure()
    assert shell.commands == []
    assert environment.read_stamp().files == {"a": "1"}


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ("python gone", "its Python is gone"),
        ("python fails", "does not start"),
        ("other version", "it was made for Python"),
    ],
)
def test_a_broken_one_is_made_anew(
    environment: Environment, shell: NotingShell, capsys: pytest.CaptureFixture[str], harm: str, said: str
) -> None:
    fake_environment(environment.folder)
    environment.write_stamp(Stamp(files={"a": "1"}))
    if harm == "python gone":
        environment.python.unlink()
    else:
        environment.python.write_text("changed", "utf-8")
        shell.rule("-c import sys", *(("", 1) if harm == "python fails" else ("3.99", 0)))
    environment.ensure()
    assert said in capsys.readouterr().err
    assert len(makings(shell)) == 1
    assert environment.read_stamp().files == {}


def test_an_updated_python_of_the_same_version_breaks_nothing(environment: Environment, shell: NotingShell) -> None:
    fake_environment(environment.folder)
    environment.write_stamp(Stamp(files={"a": "1"}))
    environment.python.write_text("newer patch release", "utf-8")
    shell.rule("-c import sys", VERSION)
    environment.ensure()
    assert (makings(shell), len(shell.commands)) == ([], 1)
    environment.ensure()
    assert len(shell.commands) == 1


def test_a_folder_with_other_things_is_not_cleared(environment: Environment, shell: NotingShell) -> None:
    environment.folder.mkdir()
    (environment.folder / "thesis.txt").write_text("mine", "utf-8")
    with pytest.raises(Trouble, match="VENV_DIR"):
        environment.ensure()
    assert (environment.folder / "thesis.txt").read_text("utf-8") == "mine"
    assert makings(shell) == []


def test_a_file_in_its_place_is_said(environment: Environment, shell: NotingShell) -> None:
    environment.folder.write_text("mine", "utf-8")
    with pytest.raises(Trouble, match="it is a file"):
        environment.ensure()
    assert environment.folder.read_text("utf-8") == "mine"
    assert makings(shell) == []


def test_without_ensurepip_the_outer_pip_installs(
    environment: Environment, shell: NotingShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    class DebianShell(NotingShell):
        def read(self, command: Any, timeout_seconds: float = 60) -> Any:
            if "venv" in command and "--without-pip" not in command:
                self.commands.append(" ".join(command))
                return Outcome(1, "The virtual environment was not created because ensurepip is not available.")
            outcome = super().read(command, timeout_seconds)
            if "venv" in command:
                shutil.rmtree(Path(command[-1]) / "lib")
            return outcome

    debian = Environment(environment.folder, DebianShell())
    debian.ensure()
    debian.install(["x"], "x")
    last = debian.shell.commands[-1]  # type: ignore[attr-defined]
    assert last.startswith(f"{sys.executable} -m pip --python {debian.python} ")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    shutil.rmtree(debian.folder)
    with pytest.raises(Trouble, match="has no pip"):
        debian.ensure()


@pytest.mark.parametrize(
    ("number", "said"),
    [(errno.ENOSPC, "the disk is full"), (errno.EACCES, "no permission"), (errno.EROFS, "no permission")],
)
def test_a_disk_that_says_no_gets_a_sentence(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, number: int, said: str
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(Trouble, match=said) as caught:
        environment.ensure()
    assert caught.value.ways


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("No module named venv", "has no pip"),
        ("Error: [Errno 28] No space left on device", "no room left"),
        ("Error: [Errno 13] Permission denied: '/x'", "no permission"),
        ("something odd", "could not be made"),
    ],
)
def test_what_venv_says_becomes_a_sentence(
    environment: Environment, shell: NotingShell, output: str, said: str
) -> None:
    shell.rule("-m venv", output, 1)
    with pytest.raises(Trouble, match=said):
        environment.ensure()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"unknown": 1}'])
def test_a_damaged_stamp_is_no_stamp(environment: Environment, text: str) -> None:
    fake_environment(environment.folder)
    (environment.folder / STAMP).write_text(text, "utf-8")
    assert environment.read_stamp() == Stamp()
