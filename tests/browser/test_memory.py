"""What is in the workers' memory, in the page's head; and why a later job goes first, in the queue."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open, Serve
from tests.browser.helpers import SLOW, generate, tab
from webui.core.job import LOCAL_OWNER, Job, State
from webui.core.request import GenerationRequest
from webui.jobs.executors.fake import FakeExecutor
from webui.jobs.fleet import GOES_FIRST, WAS_PASSED
from webui.web.identity import Sharing

pytestmark = pytest.mark.browser
GIB = 2**30


class Roomy(FakeExecutor):
    """One that says how much memory its device has."""

    def __init__(self) -> None:
        super().__init__(0.02, capacity=1)
        self._status = replace(self._status, free=5 * GIB, total=8 * GIB)


@pytest.mark.parametrize(("width", "scheme"), [(1440, "dark"), (390, "light")])
def test_the_owner_sees_what_is_loaded_and_unloads_it(
    serve: Serve, open_page: Open, width: int, scheme: str, tmp_path: Path
) -> None:
    page = open_page(serve(Roomy()), width, 900, scheme)
    generate(page, "a circle", "done")
    opener, panel = page.get_by_role("button", name="Models in memory"), page.locator("#dk_memory")
    opener.click()
    expect(panel).to_contain_text("5.0 of 8.0 GiB free")
    expect(panel.get_by_role("listitem")).to_have_count(1)
    expect(panel).to_contain_text(re.compile(r"2\.0 GiB"))
    expect(panel).to_contain_text("was loaded in 2 s")
    box = panel.bounding_box()
    assert box and box["x"] >= 0 and box["x"] + box["width"] <= width
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.screenshot(path=tmp_path / "memory.png")
    panel.get_by_role("button", name="Unload models").click()
    expect(panel).to_contain_text("No model is loaded")
    expect(panel.get_by_role("button", name="Unload models")).to_be_disabled()
    expect(page.locator("#dk_notices")).to_contain_text("Unloaded ")
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    opener.click()
    expect(panel).to_be_visible()
    opener.click()
    expect(panel).to_be_hidden()
    generate(page, "a circle", "done")
    opener.click()
    expect(panel.get_by_role("listitem")).to_have_count(1)


def test_a_guest_sees_nothing_of_the_memory(serve: Serve, open_page: Open) -> None:
    page = open_page(serve(sharing=Sharing(share=True)))
    expect(page.locator("#dk_worker")).to_be_visible()
    expect(page.locator("#dk_memory_open")).to_be_hidden()


def test_the_queue_says_why_a_later_job_goes_first(serve: Serve, open_page: Open, tmp_path: Path) -> None:
    # Slow enough that even a busy machine can look at what waits.
    server = serve(FakeExecutor(SLOW, capacity=1))
    page = open_page(server)
    assert server.house
    scheduler, queue = server.house.scheduler, server.house.queue

    def submit() -> None:
        scheduler.pause()
        for n, (name, model, steps) in enumerate((("red", "x", 2), ("green", "y", 5), ("blue", "x", 150))):
            request = GenerationRequest(prompt=name, checkpoint=model, steps=steps)
            queue.put(Job(f"{n}" * 24, LOCAL_OWNER.id, request, State.QUEUED, created=float(n), place=float(n)))
        scheduler.resume()

    server.do(submit)
    tab(page, "queue")
    rows = page.locator("#queue_list .dk-row")
    expect(rows.filter(has_text="blue").locator(".dk-why")).to_have_text(GOES_FIRST)
    expect(rows.filter(has_text="green").locator(".dk-why")).to_have_text(WAS_PASSED)
    page.screenshot(path=tmp_path / "queue.png")
    server.hurry()
    expect(rows.filter(has_text="green").locator(".dk-state")).to_contain_text("Done")
    expect(rows.locator(".dk-why:visible")).to_have_count(0)
