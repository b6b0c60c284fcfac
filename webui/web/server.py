"""The web server: the application with its gate, the page mounted into it, the port, and an orderly stop."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn
from fastapi import FastAPI
from sse_starlette.sse import AppStatus
from starlette.middleware.gzip import GZipMiddleware

from webui import __version__
from webui.core.errors import DarkroomError
from webui.core.registry import Tab
from webui.web import problems
from webui.web.api import build_api
from webui.web.assets import FOLDER, StaticFile, build_assets
from webui.web.doors import build_doors
from webui.web.gate import Gate
from webui.web.identity import Access
from webui.web.openapi import Documents
from webui.web.page import HeadLines, PageHead, handlers_of

if TYPE_CHECKING:
    from webui.service import Service

log = logging.getLogger(__name__)

UPLOAD_LIMIT = "64mb"
PORTS_TRIED = 50
_GRACE_SECONDS = 3


class NoPort(DarkroomError):
    """The server can't listen where it should."""

    type = "port"
    title = "The server cannot listen"
    exit_code = 1


def build_app(service: Service, access: Access, assets: Mapping[str, StaticFile], head: HeadLines) -> FastAPI:
    """The application without the page: API, doors, static files, all behind the gate.

    `app.state.stopping` is set when the server stops; `app.state.stop` is called to stop it (WebServer sets it), and
    `app.state.again` says then whether it is to be started again.
    """
    app = FastAPI(
        title="Darkroom",
        version=__version__,
        description="Pictures from words. Every error is a problem (RFC 9457) with a sentence in `detail`.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    stopping = asyncio.Event()
    app.state.stopping = stopping
    app.state.stop = stopping.set
    app.state.again = False

    def stop(again: bool) -> None:
        app.state.again = again
        app.state.stop()

    problems.install(app)
    app.include_router(build_doors(access))
    app.include_router(build_assets(assets))
    app.include_router(build_api(service, access, stop))
    # FastAPI's own way to change the document.
    app.openapi = Documents(service, app.openapi)  # type: ignore[method-assign]
    # The last one added is the outermost.
    app.add_middleware(PageHead, lines=head, folder=FOLDER)
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=5)
    app.add_middleware(Gate, access=access, owner=app, stopping=stopping)
    return app


def mount_page(
    app: FastAPI, blocks: Any, tabs: Iterable[Tab], options: Mapping[str, Any], private: Iterable[Path] = ()
) -> None:
    """Put the Gradio page at / as the last step; `options` are theme, i18n and the like for `mount_gradio_app`.

    Gradio never gives out what lies in a `private` folder; otherwise a handler that returns a path in the working
    folder has that file copied to where browsers fetch it.
    """
    # Gradio takes three seconds to import; a server without the page does not need it.
    import gradio

    app.state.handlers = handlers_of(blocks, tabs)
    blocked = [str(folder.resolve()) for folder in private]
    gradio.mount_gradio_app(app, blocks, path="/", max_file_size=UPLOAD_LIMIT, blocked_paths=blocked, **options)
    # Until this is set Gradio checks no path that a caller names, and reads any file on the disk.
    blocks.has_launched = True


def open_socket(host: str, port: int, tries: int = PORTS_TRIED) -> tuple[socket.socket, str]:
    """A listening socket at this port or the next free one, and a sentence when it is another ('' otherwise).

    Port 0 takes any. Raises NoPort.
    """
    last: OSError | None = None
    for candidate in range(port, min(port + max(1, tries), 65536)):
        try:
            sock = _bind(host, candidate)
        except OSError as error:
            last = error
            if isinstance(error, PermissionError) or port == 0:
                break
            continue
        found = sock.getsockname()[1]
        said = "" if port in (0, found) else f"Port {port} is taken, so this one uses {found}."
        return sock, said
    reason = (last.strerror or str(last)) if last else "there is no such port"
    wrong_host = isinstance(last, socket.gaierror) or (last is not None and last.errno == errno.EADDRNOTAVAIL)
    way = "Name an address of this machine with --server-name" if wrong_host else "Choose another with --port"
    raise NoPort(f"The server cannot listen on {host}, port {port}: {reason}.", remedies=(way,))


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named by its protocol: only then asyncio sends small answers at once, instead of 40 ms later.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if sys.platform == "win32":
            # Otherwise Windows lets two programs listen on one port.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(256)
    except OSError:
        sock.close()
        raise
    return sock


class WebServer(uvicorn.Server):
    """uvicorn on an open socket. Streams end at once when it stops, so that nobody waits for them."""

    def __init__(
        self, app: FastAPI, sock: socket.socket, *, certificate: Path | None = None, key: Path | None = None
    ) -> None:
        for file, what in ((certificate, "certificate"), (key, "key")):
            if file is not None and not file.is_file():
                raise NoPort(f"The TLS {what} {file} is not there.")
        if key is not None and certificate is None:
            raise NoPort("A TLS key needs its certificate beside it (--tls-certfile).")
        # The gate ends all streams; the library's own way marks the whole process as stopping.
        AppStatus.enable_automatic_graceful_drain = False
        self._sock = sock
        self._app = app
        app.state.stop = self.stop
        super().__init__(
            uvicorn.Config(
                app,
                # A proxy's headers are read by the gate, which never takes them for a proof.
                proxy_headers=False,
                server_header=False,
                access_log=False,
                log_config=None,
                timeout_graceful_shutdown=_GRACE_SECONDS,
                ssl_certfile=str(certificate) if certificate else None,
                ssl_keyfile=str(key) if key else None,
            )
        )

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._sock.getsockname()[1])

    def stop(self) -> None:
        """End the server in order; from any thread."""
        self.should_exit = True

    async def run_until_stopped(self, on_ready: Callable[[], None] | None = None) -> None:
        """Serve until `stop` is called or a signal comes; `on_ready` is called once when the first request can come."""
        serving = asyncio.create_task(self.serve([self._sock]))
        while not (self.started or serving.done()):
            await asyncio.sleep(0.01)
        if self.started and on_ready:
            on_ready()
        await serving

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """See uvicorn; a signal that has stopped the server is not raised again, since there is an order to keep."""
        with super().capture_signals():
            yield
            self._captured_signals.clear()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn; our streams are told first."""
        self._app.state.stopping.set()
        await super().shutdown(sockets)
