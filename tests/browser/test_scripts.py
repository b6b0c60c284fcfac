"""Scripts on the page: chosen beside the form, started by Generate, and run again from the queue."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open, Serve

pytestmark = pytest.mark.browser


def test_generate_starts_the_script_that_is_chosen(serve: Serve, open_page: Open) -> None:
    server = serve()
    page = open_page(server)
    page.select_option("#script_list select", "Sampler sheet")
    names = page.locator("#txt2img_sampler-sheet_samplers textarea")
    expect(names).to_be_visible()
    names.fill("Euler, Heun")
    page.fill("#txt2img_prompt textarea", "a red circle")
    with page.expect_response(lambda answer: answer.url.endswith("/api/v1/scripts/sampler-sheet")) as told:
        page.click("#txt2img_generate")
    script = told.value.json()["id"]

    page.wait_for_function(
        "window.darkroom.extend.api('GET', 'jobs').then((a) => a.jobs.filter((j) => j.state === 'done').length === 3)"
    )
    parts = page.evaluate(
        """async (script) => {
          const api = window.darkroom.extend.api;
          const { jobs } = await api("GET", "jobs");
          const whole = await Promise.all(jobs.map(({ id }) => api("GET", `jobs/${id}`)));
          return whole.filter(({ parent }) => parent === script).map(({ request }) => request.sampler_name);
        }""",
        script,
    )
    assert sorted(parts) == ["Euler", "Heun"]
    # The list forgets it, and a single job is asked for again.
    page.select_option("#script_list select", "None")
    with page.expect_response(lambda answer: answer.url.endswith("/api/v1/jobs") and answer.request.method == "POST"):
        page.click("#txt2img_generate")
