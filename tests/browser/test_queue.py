"""The queue, and what a guest does not see of it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Open, Serve
from tests.browser.helpers import GENERATE, PROMPT, SLOW, generate, set_number, tab
from webui.core.job import Job, State
from webui.core.request import GenerationRequest
from webui.jobs.executors.fake import FakeExecutor
from webui.web.identity import Sharing

pytestmark = pytest.mark.browser


def press(page: Page, button: Locator) -> None:
    """Press a button by keyboard alone."""
    button.focus()
    page.keyboard.press("Enter")


def test_the_time_left_is_the_whole_lines_or_not_said(serve: Serve, open_page: Open) -> None:
    page = open_page(serve(FakeExecutor(SLOW, capacity=1)))
    set_number(page, "steps", 40)
    generate(page, "running one", "running")
    tab(page, "queue")
    summary = page.locator("#queue_summary")
    expect(summary).to_contain_text(re.compile(r"about (30|40) s left"))
    make = "darkroom.api('POST', 'jobs', { prompt: 'as long', steps: 120 })"
    page.evaluate(make)
    expect(summary).to_contain_text(re.compile(r"1 waiting · about [23] min left"))
    page.click("#queue_pause")
    expect(summary).not_to_contain_text("left")


def test_queue_lists_moves_cancels_and_pauses(serve: Serve, open_page: Open) -> None:
    page = open_page(serve(FakeExecutor(SLOW, capacity=1)))
    generate(page, "running one", "running")
    for prompt in ("waits first", "waits second", "waits third"):
        page.fill(PROMPT, prompt)
        page.click(GENERATE)
        page.wait_for_function(f"[...darkroom.jobs.all.values()].some((job) => job.request.prompt === '{prompt}')")
    tab(page, "queue")
    rows = page.locator("#queue_list [role=listitem]")
    expect(rows).to_have_count(4)
    expect(page.locator("#queue_summary")).to_contain_text("1 running · 3 waiting")
    expect(rows.nth(0)).to_contain_text("Step")
    expect(rows.nth(0).locator("[role=progressbar]")).to_be_visible()
    expect(rows.nth(1)).to_contain_text("Next")
    expect(rows.nth(3)).to_contain_text("3rd")
    said = page.locator("#dk_notices")
    press(page, rows.nth(3).get_by_role("button", name="Move to front"))
    expect(rows.nth(1)).to_contain_text("waits third")
    expect(said).to_contain_text("First in line now: waits third")
    assert page.evaluate("document.activeElement.closest('.dk-row').textContent").startswith("waits third")
    press(page, rows.nth(2).get_by_role("button", name="Cancel"))
    expect(page.locator("#queue_list [data-state=queued]")).to_have_count(2)
    expect(said).to_contain_text("Cancelled: waits first")
    expect(page.locator("#queue_paused")).to_be_hidden()
    press(page, page.locator("#queue_pause"))
    expect(page.locator("#queue_pause")).to_have_text("Resume")
    rows.nth(0).get_by_role("button", name="Cancel").click()
    expect(page.locator("#queue_paused")).to_contain_text("The queue is paused")
    expect(page.locator("#queue_list [data-state=queued]")).to_have_count(2)
    page.click("#queue_clear")
    page.click("#queue_clear")
    expect(page.locator("#queue_list [data-state=queued]")).to_have_count(0)
    expect(said).to_contain_text("2 waiting jobs were cancelled")
    page.click("#queue_pause")
    expect(page.locator("#queue_paused")).to_be_hidden()
    page.locator("#queue_list [data-state=cancelled]").first.get_by_role("button", name="Run again").click()
    expect(page.locator("#queue_list [data-state=running]")).to_have_count(1)


def test_the_queues_tab_counts_own_waiting_jobs(serve: Serve, open_page: Open) -> None:
    page = open_page(serve(FakeExecutor(SLOW, capacity=1)))
    button = page.locator("#tab_queue-button")
    generate(page, "running one", "running")
    assert button.get_attribute("data-count") is None
    narrow = button.bounding_box()
    for n in (1, 2):
        page.click(GENERATE)
        expect(button).to_have_attribute("data-count", str(n))
    wide = button.bounding_box()
    assert narrow and wide and wide["width"] > narrow["width"], "the number is to be seen"
    tab(page, "queue")
    for _ in range(2):
        page.locator("#queue_list [data-state=queued]").first.get_by_role("button", name="Cancel").click()
    expect(button).not_to_have_attribute("data-count", re.compile(".*"))


def test_a_guest_is_told_which_of_the_line_is_others(serve: Serve, open_page: Open) -> None:
    server = serve(FakeExecutor(SLOW, capacity=1), sharing=Sharing(listen=True))
    one, other = open_page(server), open_page(server)
    generate(one, "a secret", "running")
    tab(other, "queue")
    summary = other.locator("#queue_summary")
    expect(summary).to_have_text("1 running for others")
    one.click(GENERATE)
    expect(summary).to_have_text("1 running for others · 1 waiting for others")
    tab(other, "txt2img")
    generate(other, "mine", "waiting")
    tab(other, "queue")
    expect(summary).to_have_text("1 running for others · 2 waiting, 1 for others")
    expect(other.locator("#tab_queue-button")).to_have_attribute("data-count", "1")
    server.hurry()


def test_a_guest_has_no_settings_and_sees_nobody_elses_things(serve: Serve, open_page: Open) -> None:
    server = serve(FakeExecutor(0.02, capacity=1), sharing=Sharing(listen=True))
    one, other = open_page(server), open_page(server)
    assert one.evaluate("darkroom.shell.state.you.level") == "visitor"
    expect(one.locator("#tab_settings-button")).to_have_count(0)
    expect(one.locator("#txt2img_empty .dk-about")).not_to_contain_text("models/")
    generate(one, "a secret")
    tab(other, "gallery")
    expect(other.locator("#gallery_empty")).to_contain_text("No pictures yet")
    tab(other, "queue")
    expect(other.locator("#queue_empty")).to_contain_text("The line is empty")
    expect(other.locator("#queue_pause")).to_be_hidden()
    assert "a secret" not in other.content()


def test_the_owner_sees_whose_each_job_is(serve: Serve, open_page: Open) -> None:
    server = serve()
    page = open_page(server)
    queue = server.house.queue
    queue.paused = True
    for place, owner in enumerate(["visitor-ab12cd", "visitor-98ef76", "user-5a5a5a"]):
        request = GenerationRequest(prompt=f"by {owner}")
        queue.put(Job(f"{place}" * 24, owner, request, State.QUEUED, created=1.0 + place, place=1.0 + place))
    tab(page, "queue")
    for owner, name in {"visitor-ab12cd": "ab12", "visitor-98ef76": "98ef", "user-5a5a5a": "5a5a"}.items():
        row = page.locator("#queue_list .dk-row", has_text=f"by {owner}")
        expect(row).to_contain_text(f"visitor {name}")


def test_a_scripts_job_is_run_again_as_a_script(serve: Serve, open_page: Open) -> None:
    page = open_page(serve())
    asked = "{ prompt: 'a red circle', extensions: { 'sampler-sheet': { samplers: 'Euler, DDIM' } } }"
    page.evaluate(f"darkroom.api('POST', 'scripts/sampler-sheet', {asked})")
    done = "[...darkroom.jobs.all.values()].filter((job) => job.task === 'script' && job.state === 'done').length"
    page.wait_for_function(f"{done} === 1")
    tab(page, "queue")
    row = page.locator("#queue_list [role=listitem]", has_text="script").last
    row.get_by_role("button", name="Run again").click()
    page.wait_for_function(f"{done} === 2")
    parents = "new Set([...darkroom.jobs.all.values()].map((job) => job.parent).filter(Boolean)).size"
    assert page.evaluate(parents) == 2
