"""Cookies as header lines: never readable by scripts, never sent along by other sites' forms."""

from __future__ import annotations

from starlette.responses import Response

YEAR = 365 * 24 * 3600


def cookie_line(name: str, value: str, *, secure: bool, seconds: int = YEAR) -> str:
    """The Set-Cookie header for one cookie; `seconds` 0 takes it away. The value must be URL-safe text."""
    line = f"{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax"
    return line + "; Secure" if secure else line


def set_cookie(response: Response, name: str, value: str, *, secure: bool, seconds: int = YEAR) -> None:
    """Put the cookie onto an answer."""
    response.headers.append("Set-Cookie", cookie_line(name, value, secure=secure, seconds=seconds))
