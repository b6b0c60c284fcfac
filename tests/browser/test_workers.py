"""The head of a page whose server has several workers."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open, Serve
from webui.jobs.executors.fake import FakeExecutor

pytestmark = pytest.mark.browser


def test_the_head_counts_the_workers_that_are_ready_and_tells_of_each(serve: Serve, open_page: Open) -> None:
    first, second = FakeExecutor(device="cuda:0"), FakeExecutor(device="cuda:1")
    server = serve(first, others=[second])
    page = open_page(server)
    head = page.locator("#dk_worker")
    expect(head).to_contain_text("2 of 2 devices")
    server.do(lambda: second.become("restarting", "It was hit."))
    page.evaluate("window.darkroom.shell.refresh()")
    expect(head).to_contain_text("1 of 2 devices")
    lines = [line.split(" · ") for line in (head.get_attribute("title") or "").splitlines()]
    assert [line[:2] for line in lines] == [["cuda:0", "Ready"], ["cuda:1", "Restarting"]]
    assert lines[1][2] == "It was hit."
    server.do(lambda: second.become("ready"))
    page.evaluate("window.darkroom.shell.refresh()")
    expect(head).to_contain_text("2 of 2 devices")
    expect(head).to_have_attribute("data-mood", "ok")
