"""Run a program of others (git, pip) as a process: without a shell, within a time, stopped with all that it started."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from webui.core.errors import DarkroomError
from webui.extension_life.task import Task

_LOOK_SECONDS = 0.1
_MEASURE_SECONDS = 2.0
"""Measuring a folder means to look at each of its files."""
_MOST_OUTPUT = 200_000


class ProgramProblem(DarkroomError):
    """Git or pip is not there, takes too long, or could not do what was asked."""

    type = "program"
    title = "The extension could not be fetched"
    status = 502


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a program ended: its exit code, what it wrote to stdout and, in `said`, to stderr; the last of it each."""

    code: int
    output: str
    said: str

    @property
    def ok(self) -> bool:
        """Whether it says that it did it."""
        return self.code == 0


def run(
    command: Sequence[str],
    task: Task,
    *,
    folder: Path,
    environment: Mapping[str, str] | None = None,
    seconds: float = 600,
    most_bytes: int = 0,
) -> Outcome:
    """Run a program in `folder` and wait for it.

    seconds: how long it may take. most_bytes: how large the folder may become meanwhile; 0 for no matter. Raises
    Stopped, and ProgramProblem where it is not there, takes too long or fetches too much.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as said:
        try:
            process = subprocess.Popen(
                [*command],
                cwd=folder,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=said,
                # So that what it starts is stopped with it.
                start_new_session=os.name != "nt",
            )
        except OSError as error:
            raise ProgramProblem(f"{Path(command[0]).name} cannot be started: {error.strerror or error}.") from error
        try:
            _wait(process, task, folder, time.monotonic() + seconds, most_bytes)
        finally:
            _end(process)
        return Outcome(process.returncode, _tail(output.fileno()), _tail(said.fileno()))


def _wait(process: subprocess.Popen[bytes], task: Task, folder: Path, until: float, most_bytes: int) -> None:
    measured = time.monotonic()
    while True:
        with suppress(subprocess.TimeoutExpired):
            process.wait(_LOOK_SECONDS)
            return
        task.check()
        if time.monotonic() > until:
            raise ProgramProblem("It takes too long and was ended.", remedies=("Try again when the network is faster",))
        if most_bytes and time.monotonic() > measured + _MEASURE_SECONDS:
            measured = time.monotonic()
            if _size(folder) > most_bytes:
                raise ProgramProblem(f"More than {most_bytes // 2**20} MB came, which no extension needs.")


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    with suppress(OSError):
        if os.name == "nt":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _size(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += (Path(place) / name).stat().st_size
    return total


def _tail(number: int) -> str:
    size = os.lseek(number, 0, os.SEEK_END)
    os.lseek(number, max(0, size - _MOST_OUTPUT), os.SEEK_SET)
    return os.read(number, _MOST_OUTPUT).decode("utf-8", "replace")
