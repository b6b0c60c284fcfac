"""Programs run with their output on stderr, and their failures are outcomes."""

from __future__ import annotations

import os
import sys

import pytest

from webui.bootstrap.shell import NOT_FOUND, Shell

SPEAK = "import sys; print('to out'); print('to err', file=sys.stderr); sys.exit(3)"


def test_shown_output_keeps_stdout_free(capfd: pytest.CaptureFixture[str]) -> None:
    outcome = Shell(os.environ).show([sys.executable, "-c", SPEAK])
    captured = capfd.readouterr()
    assert (outcome.code, outcome.output) == (3, "to err\n")
    assert captured.out == ""
    assert "to out" in captured.err and "to err" in captured.err


def test_read_output_is_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    outcome = Shell(os.environ).read([sys.executable, "-c", SPEAK])
    assert outcome.code == 3
    assert sorted(outcome.output.split("\n")) == ["", "to err", "to out"]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("method", ["show", "read"])
def test_a_missing_program_is_an_outcome(method: str) -> None:
    assert getattr(Shell(os.environ), method)(["/nowhere/at/all"]).code == NOT_FOUND


def test_a_program_that_hangs_is_given_up() -> None:
    outcome = Shell(os.environ).read([sys.executable, "-c", "import time; time.sleep(60)"], timeout_seconds=0.2)
    assert not outcome.ok
