"""Scripts on the page: chosen beside the form, started by Generate, and run again from the queue."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open, Serve

pytestmark = pytest.mark.browser

SAME_TITLES = """
from webui.extend import Script, hookimpl

@hookimpl
def scripts():
    return [Script(name, "Same", "extension:once") for name in ("one", "two.x")]

def once(request, options):
    yield [request]
"""


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

    page.wait_for_function("[...darkroom.jobs.all.values()].filter(({ state }) => state === 'done').length === 3")
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


def test_scripts_are_told_apart_by_their_names_and_shown_to_whom_they_are_for(
    serve: Serve, open_page: Open, tmp_path: Path
) -> None:
    folder = tmp_path / "data" / "extensions" / "maker"
    folder.mkdir(parents=True)
    (folder / "extension.toml").write_text('name = "maker"\nversion = "1"\napi = "1"\n')
    (folder / "extension.py").write_text(SAME_TITLES)
    server = serve()
    page = open_page(server)
    page.select_option("#script_list select", "two.x")
    page.fill("#txt2img_prompt textarea", "a red circle")
    with page.expect_response(lambda answer: "/api/v1/scripts/two" in answer.url) as told:
        page.click("#txt2img_generate")
    assert told.value.json()["request"]["script"] == "two.x"
    # A guest is not shown what is the owner's.
    guest = open_page(server, extra_http_headers={"X-Forwarded-For": "203.0.113.7"})
    expect(guest.locator("#script_list option")).to_have_text(["None", "Sampler sheet"])
