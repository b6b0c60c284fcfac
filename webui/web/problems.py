"""Every error as problem details (RFC 9457): a JSON object with a sentence, never a stack trace and never the input."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from webui.core.errors import (
    MOST_UNKNOWN,
    Conflict,
    DarkroomError,
    InvalidField,
    InvalidRequest,
    NotAllowed,
    NotFound,
    Problem,
    nearest,
)
from webui.core.fields import FIELDS

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"


class BadRequest(DarkroomError):
    """The request cannot be read at all."""

    type = "bad-request"
    title = "The request cannot be read"
    status = 400


class TooLarge(DarkroomError):
    """The body is larger than the route takes."""

    type = "too-large"
    title = "Too large"
    status = 413

    def __init__(self, limit: int) -> None:
        super().__init__(f"The request is larger than the {_bytes(limit)} that are taken here." if limit else _NO_BODY)


class MethodNotAllowed(DarkroomError):
    """The address exists, but not for this method."""

    type = "method"
    title = "Wrong method"
    status = 405


_PLACES = frozenset({"body", "query", "path", "header"})
_NO_BODY = "Nothing may be sent along here."

_BY_STATUS: dict[int, type[DarkroomError]] = {
    400: BadRequest,
    403: NotAllowed,
    404: NotFound,
    405: MethodNotAllowed,
    409: Conflict,
    422: InvalidField,
}


def respond(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """The problem as an answer."""
    body = json.dumps(problem.to_json(), ensure_ascii=True)
    return Response(body, problem.status, {"Cache-Control": "no-store", **(headers or {})}, MEDIA_TYPE)


def of_error(error: DarkroomError, headers: Mapping[str, str] | None = None) -> Response:
    """The answer for an error of ours."""
    return respond(error.problem(), headers)


def of_crash(error: Exception, what: str) -> Response:
    """The answer for an error that nobody foresaw; the log gets the whole, the asker a number to find it there by."""
    if isinstance(error.__cause__, HTTPException):
        # The page's framework refuses some streams after their first byte, which Starlette counts as a crash.
        log.info("%s was refused: %s", what, error.__cause__.detail)
        return _of_http(error.__cause__)
    report = secrets.token_hex(4)
    log.error("Report %s: %s failed", report, what, exc_info=error)
    problem = DarkroomError(f"The server made a mistake here. Its log has it under report {report}.").problem()
    return respond(replace(problem, report=report))


def install(app: FastAPI) -> None:
    """Answer all errors of the application's own routes."""
    app.add_exception_handler(DarkroomError, _on_error)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_parameters)


def from_validation(error: ValidationError | RequestValidationError, known: Iterable[str] = ()) -> DarkroomError:
    """What pydantic complains of, as sentences that name their fields; `known` are the names there are."""
    complaints: list[Any] = list(error.errors())
    # A misspelt name comes before what is missing because of it.
    complaints.sort(key=lambda complaint: complaint["type"] != "extra_forbidden")
    faults = [_of_complaint(complaint, known) for complaint in complaints[:MOST_UNKNOWN]]
    return faults[0] if len(faults) == 1 else InvalidRequest(faults)


def _of_complaint(complaint: Mapping[str, Any], known: Iterable[str]) -> InvalidField:
    name = ".".join(str(part) for part in complaint["loc"] if isinstance(part, str) and part not in _PLACES)[:60]
    if complaint["type"] == "extra_forbidden":
        near = nearest(name, known)
        return InvalidField(
            f"There is no field '{_plain(name)}'." + (f" Did you mean '{near}'?" if near else ""), field=name
        )
    if complaint["type"] == "missing":
        return InvalidField(f"'{name}' is missing.", field=name)
    if complaint["type"] == "string_too_long" and isinstance(complaint["input"], str):
        # In the words that the request's own field has for it.
        label = FIELDS[name].label if name in FIELDS else f"'{_plain(name)}'"
        size, most = len(complaint["input"]), complaint["ctx"]["max_length"]
        said = f"{label} is {size:,} characters long; at most {most:,} are taken."
        return InvalidField(said, field=name or None, remedies=("Shorten it",))
    return InvalidField(
        f"'{_plain(name) or 'The body'}' is not right: {_lower(str(complaint['msg']))}.", field=name or None
    )


async def _on_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, DarkroomError)
    return of_error(error)


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _of_http(error)


def _of_http(error: HTTPException) -> Response:
    kind = _BY_STATUS.get(error.status_code, DarkroomError)
    problem = replace(kind(f"{error.detail}.").problem(), status=error.status_code)
    return respond(problem, error.headers)


async def _on_parameters(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return of_error(from_validation(error))


def _plain(name: str) -> str:
    return name.encode("utf-8", "replace").decode()


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _bytes(size: int) -> str:
    return f"{size // 2**20} MB" if size >= 2**20 else f"{size // 2**10} kB"
