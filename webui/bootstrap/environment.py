"""The .venv: made once, mended when broken, with a stamp that says what is installed in it."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from webui.bootstrap.shell import Outcome, Shell, say
from webui.bootstrap.trouble import Trouble, no_pip, os_trouble, pip_trouble

STAMP = "darkroom-installed.json"


@dataclass
class Stamp:
    """What was installed: requirement files by name with the sha256 of their content, and where torch came from."""

    interpreter: list[Any] = field(default_factory=list)
    """Path, size and time of the Python below the .venv: another one there means that the .venv may be broken."""
    files: dict[str, str] = field(default_factory=dict)
    torch_index: str = ""


class Environment:
    """The virtual environment in `folder`."""

    def __init__(self, folder: Path, shell: Shell) -> None:
        self.folder = folder
        self.shell = shell

    @property
    def python(self) -> Path:
        """The environment's Python."""
        return self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    def ensure(self) -> None:
        """Make the environment if there is none, or anew if it is broken. Quick when nothing is to be done."""
        if self.python.exists() and self.read_stamp().interpreter == self._interpreter():
            return
        if self.folder.exists():
            problem = self._broken()
            if problem is None:
                self._remember_interpreter()
                return
            self._must_be_ours()
            say(f"The folder {self.folder} is broken ({problem}); making it anew.")
        else:
            say(f"Making {self.folder} (only at the first start) ...")
        self._make()

    def pip(self, arguments: Sequence[str]) -> Outcome:
        """Run pip for this environment, with its output shown; the outer Python's where the environment has none."""
        return self.shell.show([*self._pip(), *arguments])

    def install(self, arguments: Sequence[str], what: str) -> None:
        """`pip install` with these arguments; raises Trouble that names `what`."""
        outcome = self.pip(["install", *arguments])
        if not outcome.ok:
            raise pip_trouble(outcome.output, what, self.folder)

    def pip_configuration(self) -> str:
        """What a person has configured for pip, as pip lists it."""
        return self.shell.read([*self._pip(), "config", "list"]).output

    def read_stamp(self) -> Stamp:
        """The stamp; an empty one when there is none that can be read."""
        try:
            return Stamp(**json.loads((self.folder / STAMP).read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return Stamp()

    def write_stamp(self, stamp: Stamp) -> None:
        """Note what is installed, in one step."""
        stamp.interpreter = self._interpreter()
        new = self.folder / (STAMP + ".new")
        try:
            new.write_text(json.dumps(vars(stamp), indent=1), "utf-8")
            new.replace(self.folder / STAMP)
        except OSError as error:
            raise os_trouble(error, f"write {STAMP}", self.folder) from error

    def _interpreter(self) -> list[Any]:
        try:
            real = self.python.resolve(strict=True)
            facts = real.stat()
        except OSError:
            return []
        return [str(real), facts.st_size, facts.st_mtime]

    def _remember_interpreter(self) -> None:
        stamp = self.read_stamp()
        if stamp.files:
            self.write_stamp(stamp)

    def _broken(self) -> str | None:
        if not self.python.exists():
            return "its Python is gone"
        asked = self.shell.read(
            [str(self.python), "-c", "import sys, encodings; print(*sys.version_info[:2], sep='.')"]
        )
        if not asked.ok:
            return "its Python does not start"
        made_with = self._made_with()
        if made_with and made_with != asked.output.strip():
            return f"it was made for Python {made_with}, which is now {asked.output.strip()}"
        return None

    def _made_with(self) -> str:
        try:
            lines = (self.folder / "pyvenv.cfg").read_text("utf-8").splitlines()
        except OSError:
            return ""
        values = dict(part.split(" = ", 1) for part in lines if " = " in part)
        return ".".join(values.get("version", values.get("version_info", "")).split(".")[:2])

    def _make(self) -> None:
        try:
            if self.folder.is_dir():
                shutil.rmtree(self.folder)
            self.folder.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise os_trouble(error, f"clear {self.folder}", self.folder.parent) from error
        own_pip = importlib.util.find_spec("ensurepip") is not None
        outcome = self._venv(own_pip)
        if not outcome.ok and own_pip and "ensurepip" in outcome.output:
            # Debian splits ensurepip off; the outer pip can install into an environment that has none.
            outcome = self._venv(False)
        if not outcome.ok or not self.python.exists():
            raise self._not_made(outcome)
        if not self._has_own_pip() and importlib.util.find_spec("pip") is None:
            raise no_pip()

    def _must_be_ours(self) -> None:
        try:
            is_folder = self.folder.is_dir()
            names = {path.name for path in self.folder.iterdir()} if is_folder else set()
        except OSError as error:
            raise os_trouble(error, f"read {self.folder}", self.folder) from error
        if not is_folder or (names and not names & {"pyvenv.cfg", STAMP}):
            what = "a folder with other things in it" if is_folder else "a file"
            raise Trouble(
                f"{self.folder} is in the way: it is {what}, and no virtual environment.",
                "Move it away, or set VENV_DIR to another folder",
            )

    def _venv(self, with_pip: bool) -> Outcome:
        without = () if with_pip else ("--without-pip",)
        return self.shell.read([sys.executable, "-m", "venv", "--clear", *without, str(self.folder)], 600)

    def _not_made(self, outcome: Outcome) -> Trouble:
        if "No module named venv" in outcome.output:
            return no_pip()
        trouble = pip_trouble(outcome.output, "Python's own packages", self.folder.parent)
        if trouble.text.startswith("pip could not"):
            return Trouble(f"{self.folder} could not be made. Python said: {outcome.output.strip()[-300:]}")
        return trouble

    def _has_own_pip(self) -> bool:
        return any(self.folder.glob("[Ll]ib/**/site-packages/pip/__main__.py"))

    def _pip(self) -> list[str]:
        common = ["--disable-pip-version-check", "--no-input"]
        if self._has_own_pip():
            return [str(self.python), "-m", "pip", *common]
        return [sys.executable, "-m", "pip", "--python", str(self.python), *common]
