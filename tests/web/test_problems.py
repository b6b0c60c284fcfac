"""Errors as answers: what nobody foresaw is in the log by its number, and a refusal is no crash."""

from __future__ import annotations

import json
import logging

import pytest
from starlette.exceptions import HTTPException

from webui.web.problems import of_crash


def test_a_crash_gives_a_number_and_the_log_has_the_rest(caplog: pytest.LogCaptureFixture) -> None:
    answer = of_crash(ValueError("secret path"), "GET /x")
    problem = json.loads(bytes(answer.body))
    assert answer.status_code == 500 and "secret" not in problem["detail"]
    (record,) = caplog.records
    assert problem["report"] in record.getMessage() and record.exc_info


def test_a_stream_that_was_refused_late_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    error = RuntimeError("Caught handled exception, but response already started.")
    error.__cause__ = HTTPException(404, "Session not found")
    answer = of_crash(error, "GET /x")
    assert answer.status_code == 404
    (record,) = caplog.records
    assert record.levelno == logging.INFO and record.exc_info is None
    assert record.getMessage() == "GET /x was refused: Session not found"
