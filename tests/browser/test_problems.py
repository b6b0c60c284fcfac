"""Values that cannot be taken: said where they are typed, kept as they were typed, and nothing moves for it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open, Serve
from tests.browser.helpers import GENERATE, PROMPT, generate, number, set_number, state, tab

pytestmark = pytest.mark.browser

PARTS = ("#txt2img_prompt", "#txt2img_settings", "#txt2img_batch_count", "#txt2img_seed", "#txt2img_results .dk-stage")
FOREIGN = """([field, detail]) => darkroom.problems.report(
    new darkroom.Problem({ title: "No", detail, status: 422, field, remedies: ["Lower the size"] }))"""
BOTH = """() => darkroom.problems.report(new darkroom.Problem({ title: "No", detail: "First.", status: 422, errors: [
    { field: "sampler_name", detail: "Unknown sampler 'Eular'.", remedies: ["Use 'Euler a'"] },
    { field: "height", detail: "The model cannot draw this height.", remedies: ["Use 192"] },
]}))"""


def places(page: Page) -> list[object]:
    return [page.locator(part).bounding_box() for part in PARTS]


@pytest.mark.parametrize(
    ("field", "typed", "said", "remedy", "value"),
    [
        ("width", 500, "Must be a multiple of 8, not 500", "Use 504", 504),
        ("height", 99999, "Must be 64 to 4,096, not 99,999", "Use 4096", 4096),
        ("steps", 0, "Must be 1 to 150, not 0", "Use 1", 1),
        ("batch_count", 2.5, "Must be a whole number, not 2.5", "Use 3", 3),
        ("seed", -7, "Must be -1 to 4,294,967,295, not -7", "Use -1", -1),
        ("cfg_scale", "", "Must be 1 to 30, not empty", "Use 4", 4),
    ],
)
def test_a_wrong_value_is_said_when_its_field_is_left_with_a_way_out(
    page: Page, field: str, typed: object, said: str, remedy: str, value: float
) -> None:
    before = places(page)
    set_number(page, field, typed)
    note = page.locator(f"#txt2img_{field} .dk-field-error")
    expect(note).to_contain_text(said)
    expect(page.locator(f"#txt2img_{field} input[aria-invalid=true]")).to_have_count(1)
    assert page.input_value(f"#txt2img_{field} input[type=number]") == str(typed)
    assert places(page) == before
    note.get_by_role("button", name=remedy, exact=True).click()
    expect(note).to_have_count(0)
    page.wait_for_function(f"document.querySelector('#txt2img_{field} input[type=number]').value === '{value}'")
    assert page.locator(".dk-invalid").count() == 0


def test_what_a_slider_does_not_show_may_be_typed_where_it_is_accepted(page: Page) -> None:
    set_number(page, "batch_size", 12)
    set_number(page, "width", 3000)
    page.wait_for_function("darkroom.form.valuesOf('txt2img').width === 3000")
    assert (number(page, "batch_size"), number(page, "width")) == (12, 3000)
    expect(page.locator(".dk-field-error")).to_have_count(0)


def test_nothing_is_sent_while_a_value_is_wrong_and_a_slider_can_put_it_right(page: Page) -> None:
    page.fill(PROMPT, "a red circle")
    set_number(page, "width", 100)
    set_number(page, "steps", 0)
    page.click(GENERATE)
    expect(page.locator(".dk-field-error")).to_have_count(2)
    expect(page.locator("#txt2img_steps input[type=number]")).to_be_focused()
    state(page, "empty")
    assert page.evaluate("darkroom.jobs.all.size") == 0
    page.keyboard.press("Tab")
    expect(page.locator("#txt2img_steps input[type=range]")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#txt2img_steps .dk-field-error")).to_have_count(0)
    page.locator("#txt2img_width").get_by_role("button", name="Use 104").click()
    page.click(GENERATE)
    state(page, "done")
    expect(page.locator("#html_info_txt2img")).to_contain_text("104 × 128")


def test_what_is_being_typed_is_not_yet_wrong(page: Page) -> None:
    box = page.locator("#txt2img_width input[type=number]")
    box.fill("")
    box.press_sequentially("19")
    page.wait_for_function("darkroom.form.valuesOf('txt2img').width === 19")
    expect(page.locator(".dk-field-error")).to_have_count(0)
    box.press_sequentially("2")
    box.blur()
    page.wait_for_function("darkroom.form.valuesOf('txt2img').width === 192")
    expect(page.locator(".dk-field-error")).to_have_count(0)


@pytest.mark.parametrize("field", ["prompt", "sampler_name", "width", "seed", "checkpoint"])
def test_what_the_server_refuses_stands_at_its_field_and_nothing_moves(page: Page, field: str) -> None:
    before = places(page)
    detail = "This cannot be taken, for a reason that needs a sentence of some length to be understood by the reader."
    page.evaluate(FOREIGN, [field, detail])
    note = page.locator(f".dk-field-error[data-field={field}]")
    expect(note).to_be_visible()
    expect(note).to_contain_text(re.compile("some length.*Lower the size"))
    assert places(page) == before
    page.evaluate(f"darkroom.problems.clear('{field}')")
    expect(note).to_have_count(0)


def test_several_faults_stand_at_several_fields_and_the_first_has_the_focus(page: Page) -> None:
    page.evaluate(BOTH)
    expect(page.locator("#txt2img_sampling .dk-link")).to_be_focused()
    page.locator("#txt2img_height").get_by_role("button", name="Use 192").click()
    page.wait_for_function("darkroom.form.valuesOf('txt2img').height === 192")
    page.locator("#txt2img_sampling").get_by_role("button", name="Use 'Euler a'").click()
    expect(page.locator("#txt2img_sampling input")).to_have_value("Euler a")
    expect(page.locator(".dk-field-error")).to_have_count(0)


def test_a_message_over_other_controls_can_be_put_away(page: Page) -> None:
    page.evaluate(FOREIGN, ["checkpoint", "This checkpoint is damaged."])
    page.locator("#setting_sd_model_checkpoint").get_by_role("button", name="Close").click()
    expect(page.locator(".dk-field-error")).to_have_count(0)


def test_a_message_above_the_tabs_leaves_them_in_reach_and_goes_with_the_tab(page: Page) -> None:
    page.evaluate(FOREIGN, ["checkpoint", "This checkpoint is damaged."])
    note = page.locator("#setting_sd_model_checkpoint .dk-field-error")
    tabs = page.locator("#tabs > .tab-wrapper").bounding_box()
    assert tabs and note.bounding_box()["y"] >= tabs["y"] + tabs["height"]
    set_number(page, "steps", 0)
    tab(page, "queue")
    expect(note).to_have_count(0)
    tab(page, "txt2img")
    expect(page.locator("#txt2img_steps .dk-field-error")).to_be_visible()


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        (
            "text/html",
            "<html><h1>502 Bad Gateway</h1></html>",
            "The server's answer (502) could not be read. Try again.",
        ),
        ("text/plain; charset=utf-8", "The tunnel is closed.", "The tunnel is closed."),
    ],
)
def test_what_a_proxy_says_in_between_is_told_in_a_sentence(page: Page, kind: str, body: str, said: str) -> None:
    page.route("**/api/v1/jobs", lambda route: route.fulfill(status=502, content_type=kind, body=body))
    page.evaluate("darkroom.api('POST', 'jobs', {}).catch((problem) => { window.told = problem.message; })")
    page.wait_for_function("window.told !== undefined")
    assert page.evaluate("window.told") == said


def test_try_again_sends_the_job_that_was_not_taken(page: Page) -> None:
    generate(page, "a red circle")
    page.fill(PROMPT, "something else")
    page.route("**/api/v1/jobs", lambda route: route.fulfill(status=502, content_type="text/plain", body="Tired."))
    page.click("#txt2img_again")
    state(page, "error")
    expect(page.locator(".dk-error")).to_contain_text("Tired.")
    page.unroute("**/api/v1/jobs")
    page.locator(".dk-error").get_by_role("button", name="Try again").click()
    page.wait_for_function("[...darkroom.jobs.all.values()].filter((job) => job.state === 'done').length === 2")
    state(page, "done")
    prompts = page.evaluate("[...darkroom.jobs.all.values()].map((job) => job.request.prompt)")
    assert prompts == ["a red circle", "a red circle"]


def test_what_is_wrong_with_pasting_is_a_message_and_offers_no_picture(page: Page) -> None:
    page.route("**/api/v1/infotext", lambda route: route.fulfill(status=502, content_type="text/plain", body="Tired."))
    page.fill(PROMPT, "a red circle")
    page.click("#paste")
    expect(page.locator("#dk_notices")).to_contain_text("Tired.")
    state(page, "empty")


def test_run_again_from_another_tab_says_there_what_is_refused(serve: Serve, open_page: Open) -> None:
    page = open_page(serve())
    generate(page, "a red circle")
    tab(page, "queue")
    again = page.locator("#queue_list >> text='Run again'")
    expect(again).to_be_visible()
    # In one go: what the page hears of the job meanwhile would bring the request back as it was.
    again.evaluate("button => { [...darkroom.jobs.all.values()][0].request.steps = 0; button.click(); }")
    expect(page.locator("#dk_notices")).to_contain_text("it must be between 1 and 150")
