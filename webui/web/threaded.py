"""The server on a thread of its own, for tests: it is ready when the block begins, and has ended when it is left."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass

from fastapi import FastAPI

from webui.core.errors import DarkroomError
from webui.web.server import WebServer, open_socket

Make = Callable[[], tuple[FastAPI, AbstractAsyncContextManager[object]]]
"""The application, and what runs as long as it is served, as the workers do."""
_START_SECONDS = 60.0
_STOP_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Threaded:
    """A server that runs, and the event loop of its thread."""

    server: WebServer
    loop: asyncio.AbstractEventLoop

    @property
    def url(self) -> str:
        """Its address, without a stroke at the end."""
        return f"http://127.0.0.1:{self.server.port}"


@contextmanager
def threaded(make: Make, port: int = 0) -> Iterator[Threaded]:
    """Serve what `make` makes, which is called on the thread. port: 0 takes any.

    Raises what `make` and the start raise, and DarkroomError where the server does not start or does not stop.
    """
    ready: Future[Threaded] = Future()

    async def serve() -> None:
        app, life = make()
        sock, _ = open_socket("127.0.0.1", port)
        server = WebServer(app, sock)
        found = Threaded(server, asyncio.get_running_loop())
        async with life:
            await server.run_until_stopped(lambda: ready.set_result(found))

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            if ready.done():
                raise
            ready.set_exception(error)

    thread = threading.Thread(target=run, name="server", daemon=True)
    thread.start()
    try:
        found = ready.result(_START_SECONDS)
    except TimeoutError:
        raise DarkroomError(f"The server did not start within {_START_SECONDS:g} s.") from None
    try:
        yield found
    finally:
        found.server.stop()
        thread.join(_STOP_SECONDS)
        if thread.is_alive():
            raise DarkroomError(f"The server did not stop within {_STOP_SECONDS:g} s.")
