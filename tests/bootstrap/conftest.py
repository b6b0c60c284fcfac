"""A shell that takes notes, and a program folder with small requirement files."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from webui.bootstrap.environment import Environment
from webui.bootstrap.shell import NOT_FOUND, Outcome, Shell

Answer = Callable[[str], Outcome | None]


class NotingShell(Shell):
    """Runs nothing: notes each command as one line, and answers by rules; without a rule all goes well."""

    def __init__(self) -> None:
        super().__init__({"PATH": ""})
        self.commands: list[str] = []
        self.rules: list[tuple[str, Outcome]] = []

    def rule(self, part: str, output: str = "", code: int = 0) -> None:
        self.rules.append((part, Outcome(code, output)))

    def show(self, command: Sequence[str]) -> Outcome:
        line = " ".join(command)
        self.commands.append(line)
        return next((outcome for part, outcome in self.rules if part in line), Outcome(0, ""))

    def read(self, command: Sequence[str], timeout_seconds: float = 60) -> Outcome:
        assert timeout_seconds > 0
        if "venv" in command and "-m" in command and not any(part in " ".join(command) for part, _ in self.rules):
            fake_environment(Path(command[-1]))
        return self.show(command)

    @property
    def installed(self) -> list[str]:
        """What pip was asked to install, without the way to pip."""
        return [line.partition(" install ")[2] for line in self.commands if " install " in line]


def fake_environment(folder: Path) -> None:
    """What `python -m venv` leaves, as far as anybody looks."""
    pip = folder / "lib" / "python3" / "site-packages" / "pip"
    pip.mkdir(parents=True)
    (pip / "__main__.py").write_text("", "utf-8")
    (folder / "bin").mkdir()
    (folder / "Scripts").mkdir()
    for python in ("bin/python", "Scripts/python.exe"):
        (folder / python).write_text("", "utf-8")
    version = ".".join(map(str, sys.version_info[:3]))
    (folder / "pyvenv.cfg").write_text(f"home = x\nversion = {version}\n", "utf-8")


@pytest.fixture
def shell() -> NotingShell:
    return NotingShell()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "program"
    folder.mkdir()
    for name, text in {"": "torch==2.13.0\npillow==1\n", "-cuda": "xformers==1\n", "-test": "pytest==1\n"}.items():
        (folder / f"requirements{name}.txt").write_text(text, "utf-8")
    (folder / "constraints.txt").write_text("idna==1\n", "utf-8")
    return folder


@pytest.fixture
def environment(root: Path, shell: NotingShell) -> Environment:
    return Environment(root / ".venv", shell)


@pytest.fixture
def missing() -> Outcome:
    return Outcome(NOT_FOUND, "No such file")
