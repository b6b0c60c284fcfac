"""The edge around Gradio: whose session it is, who may call which handler, and what stands in the HTML's head.

Gradio takes a session hash for an identity, lists every handler by number and answers errors with a bare 500. Here a
session belongs to the identity that used it first, a handler of an owner's tab is the owner's, and a call is read
before Gradio reads it.
"""

from __future__ import annotations

import re
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette._utils import get_route_path
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from webui.core.errors import InvalidField, NotAllowed, NotFound
from webui.core.job import Identity, Level
from webui.core.registry import Tab
from webui.web.headers import page_policy
from webui.web.problems import BadRequest

_SESSION = re.compile(r"[A-Za-z0-9_-]{1,64}")
# A drive letter of Windows is no scheme.
_ADDRESS = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]+:")
_KEPT = 20_000


@dataclass(frozen=True, slots=True)
class Handler:
    """What the edge knows of a Gradio handler: the least level that may call it and how many values it takes."""

    level: Level
    inputs: int


class Sessions:
    """Gradio's session hashes and the identity that each belongs to; the least recently used are forgotten."""

    def __init__(self) -> None:
        self._owners: OrderedDict[str, str] = OrderedDict()

    def claim(self, session: object, who: Identity) -> None:
        """Bind a session to its first user. Raises NotAllowed for anybody else's, BadRequest for what is none."""
        if not isinstance(session, str) or not _SESSION.fullmatch(session):
            raise BadRequest("The session has no proper name.")
        owner = self._owners.setdefault(session, who.id)
        self._owners.move_to_end(session)
        if len(self._owners) > _KEPT:
            self._owners.popitem(last=False)
        if owner != who.id:
            raise NotAllowed("This session is somebody else's.")


def check_call(body: Mapping[str, Any], handlers: Mapping[int, Handler], who: Identity) -> None:
    """Whether `who` may call the handler that a body of Gradio's names. Raises NotFound, NotAllowed, InvalidField."""
    number = body.get("fn_index")
    if isinstance(number, bool) or not isinstance(number, int) or number not in handlers:
        raise NotFound("There is no such handler.")
    handler = handlers[number]
    if who.level.rank < handler.level.rank:
        raise NotAllowed("Only the owner of this machine may use this.")
    data = body.get("data")
    if not isinstance(data, list) or len(data) != handler.inputs:
        raise InvalidField(f"The handler takes a list of {handler.inputs} values.", field="data")
    if body.get("batched"):
        raise InvalidField("Handlers are called one at a time.", field="batched")


def check_file(path: str) -> None:
    """Refuse addresses where Gradio takes a path or an address: it would fetch them. Raises NotAllowed."""
    if _ADDRESS.match(path):
        raise NotAllowed("Nothing is fetched from other servers here.")


def handlers_of(blocks: Any, tabs: Iterable[Tab]) -> dict[int, Handler]:
    """All handlers written in Python of a `gr.Blocks`, by number.

    A handler that listens to, reads or writes a component of an owner's tab is the owner's; so is one of a tab that
    is in no row.
    """
    everybodys = {tab.elem_id for tab in tabs if not tab.owner_only}
    owners = {id_ for block in _tabs_in(blocks) if block.elem_id not in everybodys for id_ in _ids_in(block)}
    found: dict[int, Handler] = {}
    for number, function in blocks.fns.items():
        if function.fn is None:
            continue
        touched = {target for target, _ in function.targets} | {b._id for b in (*function.inputs, *function.outputs)}
        found[number] = Handler(Level.OWNER if touched & owners else Level.VISITOR, len(function.inputs))
    return found


def _tabs_in(block: Any) -> Iterable[Any]:
    for child in getattr(block, "children", ()):
        if type(child).__name__ == "Tab":
            yield child
        else:
            yield from _tabs_in(child)


def _ids_in(block: Any) -> Iterable[int]:
    yield block._id
    for child in getattr(block, "children", ()):
        yield from _ids_in(child)


HeadLines = Callable[[str], str]
"""From the path that our static files lie under to the lines of HTML that belong right behind <head>."""


class PageHead:
    """ASGI middleware that writes lines right behind the page's <head> and lets only the page's own scripts run.

    Gradio's `head=` arrives by script after the first frame; a dark page would flash light.
    """

    def __init__(self, app: ASGIApp, lines: HeadLines, folder: str) -> None:
        self._app = app
        self._lines = lines
        self._folder = folder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or get_route_path(scope) not in ("", "/"):
            await self._app(scope, receive, send)
            return
        start: Message = {}
        parts: list[bytes] = []

        async def collect(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
                if not Headers(raw=message["headers"]).get("content-type", "").startswith("text/html"):
                    await send(message)
                return
            if not Headers(raw=start["headers"]).get("content-type", "").startswith("text/html"):
                await send(message)
                return
            parts.append(message.get("body", b""))
            if not message.get("more_body", False):
                await self._finish(scope, start, b"".join(parts), send)

        # The lines go into plain text; compression comes after, further out.
        plain = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        await self._app({**scope, "headers": plain}, receive, collect)

    async def _finish(self, scope: Scope, start: Message, page: bytes, send: Send) -> None:
        nonce = secrets.token_urlsafe(16)
        root = scope.get("root_path", "")
        lines = f'<meta name="darkroom-root" content="{root}">' + self._lines(root + self._folder)
        page = page.replace(b"<head>", b"<head>" + lines.encode(), 1)
        page = page.replace(b"<script", f'<script nonce="{nonce}"'.encode())
        headers = MutableHeaders(raw=list(start["headers"]))
        headers["Content-Length"] = str(len(page))
        headers["Content-Security-Policy"] = page_policy(nonce)
        headers["Cache-Control"] = "no-store"
        await send({**start, "headers": headers.raw})
        await send({"type": "http.response.body", "body": page, "more_body": False})
