"""The real application on the fake executor, in a thread of its own, for the browser to look at."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from webui.app import House, compose
from webui.core.paths import Paths
from webui.core.settings import SettingsStore
from webui.jobs.executors.fake import FakeExecutor
from webui.ui.blocks import build_blocks, mount_options
from webui.ui.extension_assets import PageAssets, page_texts
from webui.web.access import identity_of
from webui.web.identity import Access, Sharing
from webui.web.keys import Keys
from webui.web.server import WebServer, build_app, mount_page, open_socket


class PageServer:
    """A server on a free port of 127.0.0.1 with its data in `folder`; use it with `with`."""

    def __init__(
        self,
        folder: Path,
        executor: FakeExecutor,
        sharing: Sharing | None = None,
        port: int = 0,
        others: Sequence[FakeExecutor] = (),
    ) -> None:
        self.executor = executor
        self._others = others
        self.url = ""
        self.house: House | None = None
        self._folder = folder
        self._sharing = sharing or Sharing()
        self._port = port
        self._server: WebServer | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="page server", daemon=True)
        self._error: BaseException | None = None

    def __enter__(self) -> PageServer:
        self._thread.start()
        self._ready.wait(60)
        if self._error:
            raise self._error
        return self

    def __exit__(self, *exc: Any) -> None:
        if self._server:
            self._server.stop()
        self._thread.join(20)
        assert not self._thread.is_alive(), "the server did not stop"

    def hurry(self) -> None:
        """Let what runs slowly, so that it can be looked at, come to its end."""
        self.executor.step_seconds = 0.005

    def do(self, call: Callable[[], None]) -> None:
        """Call something in the thread of the server's event loop, soon."""
        assert self._loop
        self._loop.call_soon_threadsafe(call)

    @property
    def port(self) -> int:
        """The port it listens on."""
        assert self._server
        return self._server.port

    async def _run(self) -> None:
        try:
            await self._serve()
        except BaseException as error:
            self._error = error
            raise
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        paths = Paths(data_dir=self._folder)
        settings = SettingsStore(paths.settings)
        self.house = compose(paths, settings, [self.executor, *self._others])
        access = Access(self._sharing, Keys(paths.state / "keys.json"), "token")
        service = self.house.service
        assets = PageAssets(self.house.plugins, lambda: settings.current)
        app = build_app(service, access, assets, assets.head)
        options = mount_options(page_texts(self.house.plugins.reports))
        mount_page(app, build_blocks(service, identity_of), service.registry.tabs, options)
        sock, _ = open_socket("127.0.0.1", self._port)
        self._server = WebServer(app, sock)
        self.url = f"http://127.0.0.1:{self._server.port}"
        async with self.house.running():
            await self._server.run_until_stopped(self._ready.set)
