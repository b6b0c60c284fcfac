"""A Chromium for the session, and for each test a fresh house with its page; an error in a script fails the test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser.server import PageServer
from webui.jobs.executors.fake import FakeExecutor

pytestmark = pytest.mark.browser

Open = Callable[..., Page]
Serve = Callable[..., PageServer]
LONG = 40_000
"""Milliseconds that a slow machine may take for what is quick elsewhere."""

expect.set_options(timeout=LONG)


# Not for the whole session: while playwright is open the main thread has a running loop, and no other test may run one.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = os.environ.get("DARKROOM_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"] if root else [])
        yield chromium
        chromium.close()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start a server: serve(executor=..., sharing=..., others=further executors)."""
    with ExitStack() as stack:

        def start(executor: FakeExecutor | None = None, **options: object) -> PageServer:
            made = PageServer(tmp_path / "data", executor or FakeExecutor(0.02, capacity=1), **options)
            return stack.enter_context(made)

        yield start


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Open a page in a context of its own and wait until it can be used: open_page(server, width, height, scheme)."""
    contexts: list[BrowserContext] = []
    problems: list[str] = []

    def open_(
        server: PageServer, width: int = 1440, height: int = 900, scheme: str = "dark", **options: object
    ) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, **options)
        context.set_default_timeout(LONG)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(server.url)
        ready(page)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert not problems


@pytest.fixture
def page(serve: Serve, open_page: Open) -> Page:
    """A page on a fresh house, wide and dark."""
    return open_page(serve())


def ready(page: Page) -> None:
    """Wait until the page's scripts have heard from the server and the checkpoint is chosen."""
    page.wait_for_selector("#dk_worker[data-mood=ok], #dk_worker[data-mood=run]")
    page.wait_for_function("window.darkroom.models.chosen() !== ''")
    page.wait_for_function("document.querySelector('.dk-tokens').textContent !== ''")
