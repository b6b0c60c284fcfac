"""The server's life: claim the data folder, start the workers, build the page beside it, stop in order."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
import webbrowser
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from typing import TYPE_CHECKING

from webui.app import House, compose
from webui.core.console import Bounded
from webui.core.errors import DarkroomError
from webui.core.options import DEFAULT_PORT, Options
from webui.core.settings import SettingsStore
from webui.extension_life.places import Places
from webui.extension_life.pointer import sweep
from webui.instance import DataFolder
from webui.jobs.executors.base import Executor
from webui.web.accounts import read_accounts
from webui.web.identity import Access, Sharing
from webui.web.keys import Keys
from webui.web.server import WebServer, build_app, mount_page, open_socket
from webui.web.share import Tunnel, open_tunnel

if TYPE_CHECKING:
    from fastapi import FastAPI

log = logging.getLogger(__name__)

AGAIN = 75
"""The exit code of a server that is to be started again."""


def serve(options: Options, settings: SettingsStore, executors: Sequence[Executor]) -> int:
    """Serve the page until it is stopped; the exit code, AGAIN where it is to be started again.

    Raises Conflict, StorageProblem, NoPort, InvalidField.
    """
    sharing = Sharing(
        listen=options.listen or bool(options.server_name),
        share=options.share,
        accounts=read_accounts(options.accounts, options.accounts_file),
        origins=options.origins,
        subpath=options.subpath,
        insecure_extension_access=options.insecure_extension_access,
    )
    folder = DataFolder(options.paths)
    folder.claim()
    folder.make_model_folders()
    sweep(options.paths.state)
    Places(options.paths).recover()
    try:
        sock, said = open_socket(options.host, DEFAULT_PORT if options.port is None else options.port)
        if said:
            _say(said)
        access = Access(sharing, Keys(options.paths.state / "access.json"), folder.token)
        # What extensions print in this process must fill no disk; log and notices go their own ways.
        with redirect_stdout(Bounded(sys.stdout)), redirect_stderr(Bounded(sys.stderr)):
            house = compose(options.paths, settings, executors)
            serving = _Serving(options, house, access, folder, sock)
            asyncio.run(serving.run())
    finally:
        folder.release()
    return AGAIN if serving.again else 0


class _Serving:
    """One run of the server, from the open socket to the orderly stop."""

    def __init__(self, options: Options, house: House, access: Access, folder: DataFolder, sock: socket.socket) -> None:
        self._options = options
        self._house = house
        self._access = access
        self._folder = folder
        self._sock = sock
        self._tunnel: Tunnel | None = None
        self.again = False
        """Whether it was stopped to be started again."""

    async def run(self) -> None:
        """Start the workers first: they load torch in their own processes while this one imports Gradio."""
        async with self._house.running():
            app = await asyncio.to_thread(self._build)
            server = WebServer(app, self._sock, certificate=self._options.tls_certfile, key=self._options.tls_keyfile)
            ready = asyncio.Event()
            opening = asyncio.create_task(self._open_doors(ready, server.port))
            try:
                await server.run_until_stopped(ready.set)
                self.again = app.state.again
            finally:
                opening.cancel()
                if self._tunnel:
                    self._tunnel.close()

    def _build(self) -> FastAPI:
        # Gradio takes seconds to import; the workers have been started before and load in the meantime.
        from webui.ui.blocks import build_blocks, mount_options
        from webui.ui.extension_assets import PageAssets, page_texts
        from webui.web.access import identity_of

        service, settings = self._house.service, self._house.settings
        assets = PageAssets(self._house.plugins, lambda: settings.current)
        app = build_app(service, self._access, assets, assets.head)
        paths = self._options.paths
        mount_page(
            app,
            build_blocks(service, identity_of),
            service.registry.tabs,
            mount_options(page_texts(self._house.plugins.reports)),
            private=(paths.outputs, paths.state, paths.models),
        )
        return app

    async def _open_doors(self, ready: asyncio.Event, port: int) -> None:
        """Say where the page is as soon as it is there; then, if asked, get it a public address."""
        await ready.wait()
        local = self._address(_outer_address() if self._options.host in ("0.0.0.0", "::") else self._options.host, port)
        self._folder.announce(self._address("127.0.0.1", port))
        if not self._access.sharing.shared:
            _say(f"Darkroom is ready: {local}")
        else:
            _say(f"Darkroom is ready for guests: {local}")
            _say(f"Your own address, good for one browser: {self._entrance(local)}")
        _say(f"Models go into the folders inside {self._options.paths.models.absolute()}")
        for message in self._house.messages():
            _say(message)
        if self._options.share:
            await self._share(port)
        if self._options.autolaunch:
            shared = self._access.sharing.shared
            await asyncio.to_thread(webbrowser.open, self._entrance(local) if shared else local)

    async def _share(self, port: int) -> None:
        try:
            self._tunnel = await asyncio.to_thread(open_tunnel, port)
        except DarkroomError as error:
            _say("\n".join(error.lines()))
            return
        self._access.hosts.add(self._tunnel.host)
        _say(f"Public address, as long as this runs: {self._tunnel.url}")
        _say(f"Your own public address, good for one browser: {self._entrance(self._tunnel.url)}")

    def _entrance(self, address: str) -> str:
        return f"{address.rstrip('/')}/enter/{self._access.keys.new_entrance()}"

    def _address(self, host: str, port: int) -> str:
        scheme = "https" if self._options.tls_certfile else "http"
        name = f"[{host}]" if ":" in host else host
        path = self._options.subpath.strip("/")
        return f"{scheme}://{name}:{port}/{path + '/' if path else ''}"


def _outer_address() -> str:
    """This machine's address in its own network, by which guests reach it; localhost when it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, suppress(OSError):
        # Sends nothing: it only asks the system which of its addresses a packet to elsewhere would leave from.
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])
    return "localhost"


def _say(text: str) -> None:
    # Past what bounds the prints of extensions.
    stream = sys.stdout.stream if isinstance(sys.stdout, Bounded) else sys.stdout
    stream.write(text + "\n")
    stream.flush()
