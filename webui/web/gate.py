"""The gate in front of every route, Gradio's too: host, origin, the route's row, who is asking, limits, headers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from fastapi import FastAPI
from starlette._utils import get_route_path
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from webui.core.errors import DarkroomError, NotAllowed, NotFound
from webui.core.job import Identity
from webui.web import problems
from webui.web.access import IDENTITY, RIGHTS, Right
from webui.web.bodies import parse_object
from webui.web.cookies import cookie_line
from webui.web.headers import kept_for, secure, without_grants, without_proxy
from webui.web.identity import Access, Asker, SignInNeeded
from webui.web.page import Handler, Sessions, check_call, check_file
from webui.web.problems import MethodNotAllowed, TooLarge
from webui.web.routes import Registered, find, registered

log = logging.getLogger(__name__)

# Query parameters of the page that Gradio may see; others (page, deep_link) only lead to errors and other's values.
_PAGE_QUERY = frozenset({"__theme", "view"})
_SAFE = frozenset({"GET", "HEAD"})


class Gate:
    """ASGI middleware. `routes` gives the application's routes, looked at again when their number changes."""

    def __init__(self, app: ASGIApp, access: Access, owner: FastAPI, stopping: asyncio.Event) -> None:
        self._app = app
        self._access = access
        self._fastapi = owner
        self._stopping = stopping
        self._sessions = Sessions()
        self._known: tuple[int, list[Registered]] = (-1, [])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        scope["root_path"] = self._access.sharing.root
        visit = _Visit(scope, send)
        try:
            await self._serve(scope, receive, visit)
        except DarkroomError as error:
            await self._answer(visit, problems.of_error(error), receive)
        except Exception as error:
            # An error of ours that Gradio was in the way of comes out as the cause of another.
            ours = error.__cause__
            log.debug("in %s %s", scope["method"], scope["path"], exc_info=error)
            response = problems.of_error(ours) if isinstance(ours, DarkroomError) else self._crashed(visit, error)
            await self._answer(visit, response, receive)

    def routes(self) -> list[Registered]:
        """Every route of the application, those of the mounted page included."""
        routes: list[BaseRoute] = self._fastapi.router.routes
        if self._known[0] != len(routes):
            self._known = (len(routes), registered(routes))
        return self._known[1]

    async def _serve(self, scope: Scope, receive: Receive, visit: _Visit) -> None:
        headers = Headers(scope=scope)
        visit.https = scope["scheme"] == "https" or self._forwarded_https(headers)
        host = self._check_host(headers)
        visit.origin = self._check_origin(headers, host, scope["method"])
        if scope["method"] == "OPTIONS" and visit.origin:
            await self._answer(visit, _preflight(headers), receive)
            return
        right, parameters = self._right(scope)
        visit.right = right
        asker = self._ask(scope, headers, right, visit)
        if isinstance(asker, Response):
            await self._answer(visit, asker, receive)
            return
        if asker is not None:
            visit.cookie = asker.cookie
            self._access.limits.request(asker.identity, right.kind)
            if right.level is None or asker.identity.level.rank < right.level.rank:
                raise NotAllowed("Only the owner of this machine may do this.")
            scope.setdefault("state", {})[IDENTITY] = asker.identity
        receive = await self._body(scope, headers, receive, right, parameters, asker.identity if asker else None)
        without_proxy(scope, visit.https)
        if right.kind == "page" or scope["path"].rstrip("/").endswith("/config"):
            kept = [pair for pair in parse_qsl(scope["query_string"].decode("latin-1")) if pair[0] in _PAGE_QUERY]
            if get_route_path(scope).rstrip("/") in ("", "/config"):
                scope["query_string"] = urlencode(kept).encode()
        counted = self._access.limits.stream(asker.identity) if right.kind == "stream" and asker else nullcontext()
        with counted:
            await self._run(scope, receive, visit)

    def _forwarded_https(self, headers: Headers) -> bool:
        host = headers.get("host", "").partition(":")[0].casefold()
        return headers.get("x-forwarded-proto", "").split(",")[0].strip() == "https" or host in self._access.hosts

    def _check_host(self, headers: Headers) -> str:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._access.knows_host(hosts[0]):
            raise NotAllowed(
                "This server does not answer to that name.",
                remedies=("Open the address that was printed at the start", "Start with --listen to use other names"),
            )
        return hosts[0]

    def _check_origin(self, headers: Headers, host: str, method: str) -> str:
        """The foreign origin that may read the answer, or ''. Raises NotAllowed when another site asks."""
        origin = headers.get("origin", "")
        if origin and origin in self._access.sharing.origins:
            return origin
        if origin and not _same_place(origin, host):
            raise NotAllowed(
                "Another site asked for this, so it was refused.",
                remedies=("A proxy in front must pass the Host header on", "Name the site in --cors-allow-origins"),
            )
        if headers.get("sec-fetch-site", "") in ("cross-site", "same-site") and not origin:
            top = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
            if not (top and method in _SAFE):
                raise NotAllowed("Another site asked for this, so it was refused.")
        return ""

    def _right(self, scope: Scope) -> tuple[Right, Mapping[str, str]]:
        found = find(self.routes(), scope["method"], get_route_path(scope) or "/")
        if found.route is None:
            if found.allowed:
                raise MethodNotAllowed(f"This address takes {', '.join(found.allowed)}, not {scope['method'][:20]}.")
            raise NotFound("There is nothing at this address.")
        right = RIGHTS.get(found.route.name)
        if right is None:
            log.error("The route %s has no row in the rights table and is refused.", found.route.name)
            raise NotAllowed("This route has no row in the table of rights.")
        if right.level is None:
            raise NotAllowed("This part of the page's framework is switched off.")
        return right, found.parameters

    def _ask(self, scope: Scope, headers: Headers, right: Right, visit: _Visit) -> Asker | Response | None:
        """Who is asking; None where it does not matter; a redirect to the sign-in page for a browser that must."""
        if right.kind == "static" and (right.signed_out or not self._access.accounts):
            return None
        client = (scope.get("client") or ("",))[0]
        try:
            return self._access.identify(headers, client, scope.get("http_version", "1.1"))
        except SignInNeeded as error:
            if right.signed_out:
                return None
            if right.kind == "page" and "text/html" in headers.get("accept", ""):
                return RedirectResponse(f"{scope['root_path']}/signin", 303, {"Cache-Control": "no-store"})
            # A browser would open its own dialog for this header.
            basic = (
                {} if "sec-fetch-mode" in headers else {"WWW-Authenticate": 'Basic realm="Darkroom", charset="UTF-8"'}
            )
            return problems.of_error(error, basic)

    async def _body(
        self,
        scope: Scope,
        headers: Headers,
        receive: Receive,
        right: Right,
        parameters: Mapping[str, str],
        who: Identity | None,
    ) -> Receive:
        """The request's body within its limit; what Gradio would take from anybody is checked here."""
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length[:20]) > right.body:
            raise TooLarge(right.body)
        receive = _within(receive, right.body)
        if "path_or_url" in parameters:
            check_file(parameters["path_or_url"])
        if right.session == "path" and who:
            self._sessions.claim(parameters["session_hash"], who)
        if right.session == "query" and who:
            query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
            self._sessions.claim(query.get("session_hash"), who)
        if right.session != "body" or who is None:
            return receive
        data = await _read_all(receive)
        body = parse_object(data)
        self._sessions.claim(body.get("session_hash"), who)
        if right.calls:
            handlers: Mapping[int, Handler] = getattr(self._fastapi.state, "handlers", {})
            check_call(body, handlers, who)
        return _again(data, receive)

    async def _run(self, scope: Scope, receive: Receive, visit: _Visit) -> None:
        if visit.right is None or visit.right.kind != "stream":
            await self._app(scope, receive, visit.send)
        else:
            await self._run_until_stop(self._app(scope, receive, visit.send), visit)
        if visit.swallowed:
            await self._answer(visit, self._crashed(visit, None), receive)

    async def _run_until_stop(self, run: Any, visit: _Visit) -> None:
        """Run a stream until it ends or the server stops, whichever is first."""
        stream = asyncio.ensure_future(run)
        stop = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({stream, stop}, return_when=asyncio.FIRST_COMPLETED)
            if stream.done():
                await stream
                return
        finally:
            stop.cancel()
            if not stream.done():
                stream.cancel()
                await asyncio.gather(stream, return_exceptions=True)
        if visit.started and not visit.ended:
            await visit.send({"type": "http.response.body", "body": b"", "more_body": False})

    def _crashed(self, visit: _Visit, error: Exception | None) -> Response:
        path = f"{visit.scope['method']} {visit.scope['path'][:200]}"
        if visit.right is not None and visit.right.kind == "static":
            return problems.of_error(NotFound("There is no such file."))
        return problems.of_crash(error or RuntimeError("the page's framework answered with an error"), path)

    async def _answer(self, visit: _Visit, response: Response, receive: Receive) -> None:
        if visit.started:
            return
        visit.swallowed = False
        visit.trusted = True
        await response(visit.scope, receive, visit.send)


class _Visit:
    """One request on its way: what is known of it, and its answer's last station before the wire."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.scope = scope
        self._send = send
        self.right: Right | None = None
        self.https = False
        self.origin = ""
        self.cookie: tuple[str, str] | None = None
        self.started = self.ended = self.swallowed = self.trusted = False

    async def send(self, message: Message) -> None:
        """Pass a message on; a bare 500 is kept back, since the gate has a better answer."""
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=list(message.get("headers", ())))
            ours = self.trusted or headers.get("content-type", "").startswith(problems.MEDIA_TYPE)
            self.swallowed = message["status"] >= 500 and not ours
            if self.swallowed:
                return
            if not self.trusted:
                without_grants(headers)
            secure(headers, self.origin)
            static = self.right is not None and self.right.kind == "static" and message["status"] == 200
            headers.setdefault("Cache-Control", kept_for(get_route_path(self.scope)) if static else "no-store")
            if self.cookie is not None:
                headers.append("Set-Cookie", cookie_line(*self.cookie, secure=self.https))
            self.started = True
            message = {**message, "headers": headers.raw}
        elif self.swallowed:
            return
        elif message["type"] == "http.response.body" and not message.get("more_body", False):
            self.ended = True
        await self._send(message)


def _same_place(origin: str, host: str) -> bool:
    try:
        parts = urlsplit(origin)
        port = {"http": ":80", "https": ":443"}[parts.scheme]
    except (ValueError, KeyError):
        return False
    return parts.netloc.casefold().removesuffix(port) == host.casefold().removesuffix(port)


def _preflight(headers: Headers) -> Response:
    asked = headers.get("access-control-request-headers", "")
    return Response(
        status_code=204,
        headers={
            "Access-Control-Allow-Methods": "GET, POST, PATCH, DELETE",
            "Access-Control-Allow-Headers": quote(asked, safe="-, "),
            "Access-Control-Max-Age": "600",
        },
    )


def _within(receive: Receive, limit: int) -> Receive:
    taken = 0

    async def read() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > limit:
            raise TooLarge(limit)
        return message

    return read


async def _read_all(receive: Receive) -> bytes:
    parts = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return bytes(parts)
        parts += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(parts)


def _again(data: bytes, receive: Receive) -> Receive:
    """A body that was read, to be read once more."""
    waiting: list[Message] = [{"type": "http.request", "body": data, "more_body": False}]

    async def read() -> Message:
        return waiting.pop() if waiting else await receive()

    return read
