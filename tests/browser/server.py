"""The real application on the fake executor, in a thread of its own, for the browser to look at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from webui.app import House, compose
from webui.core.paths import Paths
from webui.core.settings import SettingsStore
from webui.jobs.executors.fake import FakeExecutor
from webui.ui.blocks import build_blocks, mount_options
from webui.ui.extension_assets import PageAssets, page_texts
from webui.web.access import identity_of
from webui.web.identity import Access, Sharing
from webui.web.keys import Keys
from webui.web.server import build_app, mount_page
from webui.web.threaded import Threaded, threaded


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
        self._stack = ExitStack()
        self._served: Threaded | None = None

    def __enter__(self) -> PageServer:
        self._served = self._stack.enter_context(threaded(self._make, self._port))
        self.url = self._served.url
        return self

    def __exit__(self, *exc: Any) -> None:
        self._stack.close()

    def hurry(self) -> None:
        """Let what runs slowly, so that it can be looked at, come to its end."""
        self.executor.step_seconds = 0.005

    def do(self, call: Callable[[], None]) -> None:
        """Call something in the thread of the server's event loop, soon."""
        assert self._served
        self._served.loop.call_soon_threadsafe(call)

    @property
    def port(self) -> int:
        """The port it listens on."""
        assert self._served
        return self._served.server.port

    def _make(self) -> tuple[FastAPI, AbstractAsyncContextManager[object]]:
        # On the server's thread: in a test's own an event loop runs already, the browser's.
        paths = Paths(data_dir=self._folder)
        settings = SettingsStore(paths.settings)
        self.house = compose(paths, settings, [self.executor, *self._others])
        access = Access(self._sharing, Keys(paths.state / "keys.json"), "token")
        service = self.house.service
        assets = PageAssets(self.house.plugins, lambda: settings.current)
        app = build_app(service, access, assets, assets.head)
        options = mount_options(page_texts(self.house.plugins.reports))
        mount_page(app, build_blocks(service, identity_of), service.registry.tabs, options)
        return app, self.house.running()
