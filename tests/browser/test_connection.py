"""What the page says and does while the server cannot be reached, and once it can again."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Open, Serve
from tests.browser.helpers import GENERATE, PROMPT, SLOW, generate, state, tab
from webui.jobs.executors.fake import FakeExecutor

pytestmark = pytest.mark.browser


def test_without_a_connection_the_page_waits_and_comes_back(serve: Serve, open_page: Open) -> None:
    server = serve(FakeExecutor(SLOW, capacity=1))
    page = open_page(server)
    generate(page, "a red circle", "running")
    page.context.set_offline(True)
    page.evaluate("darkroom.api('GET', 'status').catch(() => null)")
    expect(page.locator("#dk_worker")).to_contain_text("No connection, trying again")
    page.fill(PROMPT, "still editable")
    page.context.set_offline(False)
    expect(page.locator("#dk_worker")).not_to_contain_text("No connection")
    server.hurry()
    state(page, "done")
    expect(page.locator(PROMPT)).to_have_value("still editable")


def test_an_answer_that_is_an_error_is_said_and_the_page_goes_on_asking(page: Page) -> None:
    asked = []

    def fail(route: Route) -> None:
        asked.append(route)
        route.fulfill(status=502, content_type="text/plain", body="The proxy is tired.")

    page.route("**/api/v1/status", fail)
    page.evaluate("darkroom.shell.state.queue.paused = true; darkroom.emit('jobs')")
    expect(page.locator("#dk_notices")).to_contain_text("The proxy is tired.")
    page.wait_for_timeout(5000)
    assert len(asked) > 1
    page.unroute("**/api/v1/status")
    expect(page.locator("#dk_worker")).to_have_attribute("data-mood", "ok")


def test_what_was_not_sent_is_said_and_can_be_sent_once_the_server_is_back(serve: Serve, open_page: Open) -> None:
    server = serve(FakeExecutor(SLOW, capacity=1))
    page = open_page(server)
    generate(page, "a red circle", "running")
    page.fill(PROMPT, "a blue one")
    page.context.set_offline(True)
    page.click(GENERATE)
    notices = page.locator("#dk_notices > div")
    expect(notices).to_have_text([re.compile("This job was not sent, and your settings are kept")])
    # What is made goes on, and stays in sight.
    state(page, "running")
    page.context.set_offline(False)
    expect(notices).to_have_text([re.compile("The server is back. This job was not sent.")])
    page.wait_for_timeout(500)
    assert page.evaluate("darkroom.jobs.all.size") == 1
    notices.get_by_role("button", name="Queue another").click()
    page.wait_for_function("[...darkroom.jobs.all.values()].some((job) => job.request.prompt === 'a blue one')")
    expect(page.locator("#dk_notices")).not_to_contain_text("not sent")
    server.hurry()
    page.wait_for_function("[...darkroom.jobs.all.values()].every((job) => job.state === 'done')")
    assert page.evaluate("darkroom.jobs.all.size") == 2


def test_a_notice_of_what_was_not_sent_that_was_put_away_stays_away(page: Page) -> None:
    page.fill(PROMPT, "a red circle")
    page.context.set_offline(True)
    page.click(GENERATE)
    page.locator("#dk_notices").get_by_role("button", name="Close").click()
    page.context.set_offline(False)
    expect(page.locator("#dk_worker")).to_have_attribute("data-mood", "ok")
    page.wait_for_timeout(500)
    expect(page.locator("#dk_notices > div")).to_have_count(0)
    generate(page, "a red circle")


def test_a_job_whose_answer_alone_was_lost_is_not_offered_again(page: Page) -> None:
    def lose(route: Route) -> None:
        route.fetch()
        route.abort()

    page.route("**/api/v1/jobs", lose)
    page.fill(PROMPT, "a red circle")
    page.click(GENERATE)
    state(page, "done")
    expect(page.locator("#dk_worker")).to_have_attribute("data-mood", "ok")
    expect(page.locator("#dk_notices > div")).to_have_count(0)
    assert page.evaluate("darkroom.jobs.all.size") == 1


def test_the_end_of_a_job_is_told_once_however_late_its_answers_are(page: Page) -> None:
    held: list[Route] = []
    page.evaluate("window.told = []; darkroom.on('ended', (job) => told.push(job.id))")
    # Another tab's job, whose end the stream tells before the page has heard what job it is.
    page.route(re.compile(r"/api/v1/jobs/[^/?]+$"), lambda route: held.append(route))
    page.evaluate(
        "fetch('api/v1/jobs', {method: 'POST', headers: {'content-type': 'application/json'}, "
        "body: JSON.stringify({prompt: 'elsewhere', steps: 1})})"
    )
    page.wait_for_timeout(1500)
    assert page.evaluate("darkroom.jobs.all.size") == 0 and len(held) >= 2, "it was asked for at both its events"
    for route in held:
        route.continue_()
    page.unroute_all()
    page.wait_for_function("told.length > 0")
    page.wait_for_timeout(300)
    [job] = page.evaluate("[...darkroom.jobs.all.values()].map((job) => [job.id, job.state])")
    assert page.evaluate("told") == [job[0]] and job[1] == "done"


def test_running_again_waits_for_the_server_too(page: Page) -> None:
    generate(page, "a red circle")
    page.context.set_offline(True)
    page.click("#txt2img_again")
    expect(page.locator("#dk_notices")).to_contain_text("was not sent")
    page.context.set_offline(False)
    tab(page, "gallery")
    page.locator("#dk_notices").get_by_role("button", name="Generate").click()
    page.wait_for_function("[...darkroom.jobs.all.values()].filter((job) => job.state === 'done').length === 2")
