"""Each entry is one line on stderr, from the chosen level on."""

from __future__ import annotations

import logging

import pytest

from webui.core.logs import start_logging


def test_lines_from_the_level_on(capsys: pytest.CaptureFixture[str]) -> None:
    start_logging("INFO")
    logging.getLogger("webui.x").debug("hidden")
    logging.getLogger("webui.x").info("job %s done", "abc")
    logging.getLogger("httpx").info("hidden")
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.endswith("INFO    webui.x: job abc done")


def test_a_prompt_cannot_forge_an_entry(capsys: pytest.CaptureFixture[str]) -> None:
    start_logging("INFO")
    logging.getLogger("webui").info("%s", "x\n2026-01-01 ERROR root: all is lost\r\n")
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_second_start_does_not_double(capsys: pytest.CaptureFixture[str]) -> None:
    start_logging("INFO")
    start_logging("DEBUG")
    logging.getLogger("webui").debug("once")
    assert capsys.readouterr().err.count("once") == 1
