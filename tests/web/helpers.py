"""A whole server for tests: the real house on a fake executor, the real page, a random port of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from webui.app import House, compose, workshop
from webui.core.paths import Paths
from webui.core.settings import SettingsStore
from webui.jobs.executors.fake import FakeExecutor
from webui.ui.assets import head_html, load_assets
from webui.ui.blocks import build_blocks, mount_options
from webui.web.access import identity_of
from webui.web.identity import Access, Sharing
from webui.web.keys import Keys
from webui.web.server import WebServer, build_app, mount_page
from webui.web.threaded import threaded

TOKEN = "the-token-of-instance-json"
TINY = {"prompt": "a red circle", "steps": 2, "width": 64, "height": 64}

# What a tunnel adds to a request that it brings from somebody far away.
TUNNEL = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Host": "abc.gradio.live", "X-Forwarded-Proto": "https"}


@dataclass
class Site:
    """A running server. `owner`, `visitor` and `tunnel` make clients; a visitor keeps the cookie that it is given."""

    url: str
    house: House
    app: FastAPI
    access: Access
    server: WebServer
    home: Path
    _clients: list[httpx.Client] = field(default_factory=list)

    def client(self, **headers: str) -> httpx.Client:
        """A client with these headers on every request and a cookie jar of its own."""
        client = httpx.Client(
            base_url=self.url, headers=headers, timeout=20, verify=False
        )  # plain HTTP: saves its setup
        self._clients.append(client)
        return client

    def owner(self) -> httpx.Client:
        """The owner, by the token that the CLI uses."""
        return self.client(Authorization=f"Bearer {TOKEN}")

    def visitor(self) -> httpx.Client:
        """Somebody new, who has been given a visitor's cookie."""
        client = self.client()
        client.get("/api/v1/status").raise_for_status()
        return client

    def close(self) -> None:
        """Close all clients."""
        for client in self._clients:
            client.close()


@contextmanager
def serving(
    home: Path,
    sharing: Sharing,
    *,
    page: bool = True,
    step_seconds: float = 0.01,
    blocks: Any = None,
    tabs: Any = (),
    works: bool = False,
) -> Iterator[Site]:
    """A server on this data folder for as long as the block runs, in a thread of its own."""
    paths = Paths(data_dir=home, program_dir=home)
    settings = SettingsStore(paths.settings)
    shops = [workshop(paths, settings)] if works else []
    house = compose(paths, settings, [FakeExecutor(step_seconds=step_seconds), *shops])
    access = Access(sharing, Keys(paths.state / "access.json"), TOKEN)
    app = build_app(house.service, access, load_assets(), head_html)
    if page:
        blocks = blocks or build_blocks(house.service, identity_of)
        mount_page(app, blocks, tabs or house.service.registry.tabs, mount_options(), (paths.outputs, paths.state))
    with threaded(lambda: (app, house.running())) as served:
        site = Site(served.url, house, app, access, served.server, home)
        try:
            yield site
        finally:
            site.close()


def finished(client: httpx.Client, job_id: str) -> dict[str, Any]:
    """The job when it has ended, found through its own events."""
    with client.stream("GET", f"/api/v1/jobs/{job_id}/events") as stream:
        for _ in stream.iter_lines():
            pass
    job: dict[str, Any] = client.get(f"/api/v1/jobs/{job_id}").json()
    return job
