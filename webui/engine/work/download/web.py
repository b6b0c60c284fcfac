"""Ask servers for files: redirects followed by our own rules, tokens for their own host only, errors as sentences.

Nothing that is raised or logged here holds an address' query or a token: both may be secrets. Torch-free.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

from webui import __version__
from webui.core.errors import DarkroomError, InvalidField, NotAllowed, NotFound
from webui.engine.work.download.hosts import Guard, is_private_name, transport_to
from webui.engine.work.download.tokens import TokenFile

_CONNECT_SECONDS, _READ_SECONDS = 20.0, 60.0
_MOST_REDIRECTS = 10
_MOST_JSON_BYTES = 32_000_000
_REDIRECTS = (301, 302, 303, 307, 308)
_SECRET_WORDS = ("token=", "api_key=", "apikey=", "access_token=")


class WebProblem(DarkroomError):
    """A server could not be reached, or did not give what was asked for."""

    type = "download"
    title = "The download failed"
    status = 502


@dataclass(frozen=True, slots=True)
class Answer:
    """A server's answer, open: status, headers and what follows. url: where it came from in the end."""

    response: httpx.Response
    url: str

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.response.status_code

    def header(self, name: str) -> str:
        """A header, "" where there is none."""
        return str(self.response.headers.get(name, ""))

    def number(self, name: str) -> int | None:
        """A header that is a whole number of bytes; None for anything else."""
        text = self.header(name).strip()
        return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


def check_address(url: str) -> str:
    """The address, if something may be fetched from it. Raises InvalidField; the sentence shows no query."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host = ""
    if not host or parts.scheme not in ("http", "https"):
        raise InvalidField("That is no address of the web.", remedies=("It begins with https://",))
    if parts.username or parts.password or any(word in parts.query.lower() for word in _SECRET_WORDS):
        raise InvalidField(
            f"The address at {host} holds a password or token, which would end in lists and logs.",
            remedies=(f"launch.py models get --token-for {host} keeps it where only you may read it",),
        )
    if parts.scheme == "http" and not is_private_name(host):
        raise InvalidField(
            f"This address of {host} is refused: it is without encryption, where anybody on the way may change the "
            "file.",
            remedies=("Write https:// in place of http://", "Fetch it yourself and put it into its folder in models/"),
        )
    return url


def host_of(url: str) -> str:
    """The host of an address, with its port where that is not the scheme's own."""
    parts = urlsplit(url)
    usual = {"https": 443, "http": 80}.get(parts.scheme)
    host = (parts.hostname or "").lower()
    return host if parts.port in (None, usual) else f"{host}:{parts.port}"


def shown(url: str) -> str:
    """An address for a sentence: host and path."""
    parts = urlsplit(url)
    return f"{parts.hostname or ''}{parts.path}"[:200]


class Web:
    """Asks servers. One for each piece of work; not safe to use from several threads."""

    def __init__(self, typed: Iterable[str], tokens: TokenFile) -> None:
        """typed: addresses that the person named; only their hosts may lie in a private network."""
        self._guard = Guard(typed)
        self._tokens = tokens
        self._ways: dict[str, httpx.BaseTransport] = {}

    def close(self) -> None:
        """End all connections."""
        for way in self._ways.values():
            way.close()

    @contextmanager
    def open(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, *, leave_host: bool = True
    ) -> Iterator[Answer]:
        """The answer to a request, whatever its status; redirects are followed.

        leave_host: False has a redirect to another host answered as it is. Raises WebProblem, NotAllowed.
        """
        answer = self._answer(method, url, headers or {}, leave_host)
        try:
            yield answer
        except httpx.HTTPError as error:
            raise _unreachable(answer.url, error) from None
        finally:
            answer.response.close()

    def json(self, url: str) -> Any:
        """What a server says as JSON. Raises WebProblem, NotFound, NotAllowed."""
        with self.open("GET", url, {"Accept": "application/json"}) as answer:
            self.check(answer)
            data = bytearray()
            for piece in answer.response.iter_raw():
                data += piece
                if len(data) > _MOST_JSON_BYTES:
                    raise WebProblem(f"{shown(url)} answered with far too much.")
        try:
            return httpx.Response(200, content=bytes(data)).json()
        except (ValueError, RecursionError):
            raise WebProblem(f"{shown(url)} answered with what is no JSON.") from None

    def check(self, answer: Answer) -> None:
        """Raises a sentence for a status that is not what was hoped for."""
        status, host = answer.status, host_of(answer.url)
        if status in (200, 206):
            return
        if status in (401, 403):
            token = f"launch.py models get --token-for {host} keeps your token for it"
            raise NotAllowed(
                f"{host} gives {shown(answer.url)} only to whom it knows.",
                remedies=("Accept the model's licence on its page, where it has one", token),
            )
        if status in (404, 410):
            raise NotFound(f"{shown(answer.url)} is not there.", remedies=("Correct the address",))
        names = {known.value: known.phrase for known in HTTPStatus}
        raise WebProblem(
            f"{host} answered {status} ({names.get(status, 'unknown')}) to {shown(answer.url)}.",
            remedies=("Try again later",),
        )

    def _answer(self, method: str, url: str, headers: Mapping[str, str], leave_host: bool) -> Answer:
        first = self._origin(url)
        token = self._token(url)
        for _ in range(_MOST_REDIRECTS):
            own = {"User-Agent": f"Darkroom/{__version__}", "Accept-Encoding": "identity", **headers}
            if token and self._origin(url) == first:
                own["Authorization"] = f"Bearer {token}"
            response = self._ask(method, url, own)
            target = self._redirect(url, response)
            if target is None or (not leave_host and host_of(target) != host_of(url)):
                return Answer(response, url)
            response.close()
            url = target
        raise WebProblem(f"{shown(url)} leads in a circle.")

    def _ask(self, method: str, url: str, headers: Mapping[str, str]) -> httpx.Response:
        timeout = {"connect": _CONNECT_SECONDS, "read": _READ_SECONDS, "write": _READ_SECONDS, "pool": _READ_SECONDS}
        try:
            # A request that no client makes is written into no log.
            request = httpx.Request(method, url, headers=headers, extensions={"timeout": timeout})
            way = self._ways.get(self._origin(url))
            if way is None:
                way = self._ways[self._origin(url)] = transport_to(url, self._guard)
            response = way.handle_request(request)
            response.request = request
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise _unreachable(url, error) from None
        return response

    def _redirect(self, url: str, response: httpx.Response) -> str | None:
        place = response.headers.get("location")
        if response.status_code not in _REDIRECTS or not place:
            return None
        try:
            target = urljoin(url, place)
            scheme, host = urlsplit(target).scheme, urlsplit(target).hostname
        except ValueError:
            scheme, host = "", None
        if scheme not in ("http", "https") or not host:
            response.close()
            raise NotAllowed(f"{shown(url)} leads to something that is no address of the web.")
        if scheme == "http" and urlsplit(url).scheme == "https" and not is_private_name(host):
            response.close()
            raise NotAllowed(f"{shown(url)} leads to an address without encryption, where anybody may change the file.")
        return target

    def _token(self, url: str) -> str | None:
        parts = urlsplit(url)
        # Without encryption whoever is on the way could read it.
        private = parts.scheme == "http" and is_private_name(parts.hostname or "")
        return self._tokens.get(host_of(url)) if parts.scheme == "https" or private else None

    @staticmethod
    def _origin(url: str) -> str:
        return f"{urlsplit(url).scheme}://{host_of(url)}"


def _unreachable(url: str, error: Exception) -> WebProblem:
    # httpx' own words may hold the address with all that is in it.
    reasons: dict[type[Exception], str] = {
        httpx.ConnectTimeout: "it does not answer",
        httpx.ReadTimeout: "it stopped answering",
        httpx.RemoteProtocolError: "it ended the connection too early",
    }
    why = reasons.get(type(error), "the connection failed")
    return WebProblem(
        f"{host_of(url)} could not be asked: {why}.", remedies=("Check the connection to the internet", "Try again")
    )
