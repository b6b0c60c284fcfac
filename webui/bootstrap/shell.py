"""Run other programs: with their output shown, or read."""

from __future__ import annotations

import subprocess
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

NOT_FOUND = 127


@dataclass(frozen=True)
class Outcome:
    """How a program ended: its exit code and what it said (the last 200 lines where it was shown)."""

    code: int
    output: str

    @property
    def ok(self) -> bool:
        """Whether it ended well."""
        return self.code == 0


class Shell:
    """Runs programs without a shell between. Tests put one in its place that only takes notes."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = dict(environ)

    def show(self, command: Sequence[str]) -> Outcome:
        """Run with all output on our stderr, since stdout is for programs that read Darkroom's answers."""
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=sys.stderr,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                env=self.environ,
            )
        except OSError as error:
            return Outcome(NOT_FOUND, str(error))
        last: deque[str] = deque(maxlen=200)
        with process:
            for line in process.stderr or ():
                sys.stderr.write(line)
                last.append(line)
        return Outcome(process.returncode, "".join(last))

    def read(self, command: Sequence[str], timeout_seconds: float = 60) -> Outcome:
        """Run quietly and give back stdout and stderr together."""
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                env=self.environ,
                timeout=timeout_seconds,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return Outcome(NOT_FOUND, str(error))
        return Outcome(done.returncode, done.stdout)


def say(text: str) -> None:
    """A line for the person who waits."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
