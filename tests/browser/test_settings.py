"""The Settings tab: what is found, saved and refused, and the list of extensions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open, Serve, ready
from tests.browser.helpers import tab

pytestmark = pytest.mark.browser


def test_settings_are_found_saved_and_refused_beside_their_row(serve: Serve, open_page: Open) -> None:
    server = serve()
    page = open_page(server)
    tab(page, "settings")
    page.wait_for_selector("#settings_sections .dk-section")
    expect(page.locator("#setting_live_previews_enable").get_by_role("checkbox")).to_be_checked()
    page.fill("#settings_search", "waiting guest")
    expect(page.locator("#row_max_waiting_visitor")).to_be_visible()
    expect(page.locator("#row_png_compress_level")).to_be_hidden()
    limit = page.locator("#setting_max_waiting_visitor input")
    expect(limit).to_have_value("4")
    limit.fill("0")
    limit.press("Tab")
    expect(limit).to_have_value("0")
    page.click("#settings_submit")
    expect(page.locator("#row_max_waiting_visitor .dk-field-error")).to_contain_text("greater than or equal to 1")
    page.fill("#settings_search", "guest")
    page.fill("#setting_max_pictures_visitor input", "0")
    page.click("#settings_submit")
    expect(page.locator("#settings_sections .dk-field-error")).to_have_count(2)
    page.fill("#settings_search", "pictures")
    page.click("#settings_submit")
    expect(page.locator("#row_max_pictures_visitor .dk-field-error")).to_have_count(1)
    expect(page.locator("#dk_notices")).to_contain_text("Waiting jobs of a guest")
    page.fill("#setting_max_pictures_visitor input", "16")
    page.fill("#settings_search", "waiting guest")
    limit.fill("7")
    limit.press("Tab")
    # What is not applied yet is still there when the person comes back.
    tab(page, "gallery")
    tab(page, "settings")
    expect(limit).to_have_value("7")
    page.click("#settings_submit")
    expect(page.locator("#dk_notices")).to_contain_text("Settings are saved")
    expect(page.locator(".dk-field-error")).to_have_count(0)
    assert server.house
    assert server.house.settings.current.max_waiting_visitor == 7
    assert json.loads(server.house.paths.settings.read_text("utf-8"))["max_waiting_visitor"] == 7
    page.fill("#settings_search", "")
    page.reload()
    ready(page)
    tab(page, "settings")
    expect(limit).to_have_value("7")


def test_choices_have_words_and_extensions_that_are_not_ticked_are_switched_off(
    serve: Serve, open_page: Open, tmp_path: Path
) -> None:
    folder = tmp_path / "data" / "extensions" / "grid-lines"
    folder.mkdir(parents=True)
    (folder / "extension.toml").write_text(
        'name = "grid-lines"\nversion = "0.3"\ntitle = "Grid Lines"\napi = "1"\n', encoding="utf-8"
    )
    (folder / "extension.py").write_text("import nothing_there\n", encoding="utf-8")
    server = serve()
    page = open_page(server)
    tab(page, "settings")
    row = page.locator("#row_disabled_extensions")
    expect(row).to_contain_text("Grid Lines is left out. Its extension.py failed to load")
    expect(page.locator("#setting_attention input")).to_have_value("Scaled dot product (torch)")
    grid_lines = row.get_by_role("checkbox", name="Grid Lines 0.3")
    expect(grid_lines).to_be_checked()
    grid_lines.uncheck()
    page.get_by_role("radio", name="Light").check()
    with page.expect_response(lambda answer: answer.request.method == "PATCH"):
        page.click("#settings_submit")
    assert server.house
    current = server.house.settings.current
    assert (current.disabled_extensions, current.theme, current.attention) == (("grid-lines",), "light", "sdpa")
    # A name that is no longer found can still be taken off.
    page.request.patch(
        f"{page.url}api/v1/settings",
        headers={"Origin": page.url.rstrip("/")},
        data={"disabled_extensions": ["grid-lines", "long-gone"]},
    )
    tab(page, "gallery")
    tab(page, "settings")
    gone = row.get_by_role("checkbox", name="long-gone (not found)")
    expect(gone).not_to_be_checked()
    expect(grid_lines).not_to_be_checked()
    gone.check()
    with page.expect_response(lambda answer: answer.request.method == "PATCH") as told:
        page.click("#settings_submit")
    # What was not touched is not sent.
    assert told.value.request.post_data_json == {"disabled_extensions": ["grid-lines"]}
    assert server.house.settings.current.disabled_extensions == ("grid-lines",)


def test_the_section_that_is_read_is_marked(page: Page) -> None:
    tab(page, "settings")
    marked = page.locator("#settings_nav [aria-current]")
    expect(marked).to_have_text("Making pictures")
    page.click("#settings_nav >> text=Extensions")
    expect(marked).to_have_text("Extensions")
    box = page.locator("#settings_nav").bounding_box()
    assert box and box["y"] >= 0, "the sections stay in sight"


def test_a_section_is_reached_though_the_page_grows_on_the_way(page: Page) -> None:
    tab(page, "settings")
    page.wait_for_selector("#setting_disabled_extensions input")
    page.click("#settings_nav >> text=Extensions")
    page.wait_for_function("scrollY > 100")
    page.evaluate("document.querySelector('#settings_saving_pictures').style.paddingBottom = '3000px'")
    page.wait_for_timeout(1500)  # it glides there
    expect(page.locator("#settings_extensions h2")).to_be_in_viewport()
    expect(page.locator("#settings_nav [aria-current]")).to_have_text("Extensions")


def test_apply_stays_in_sight_and_hides_no_section_that_is_gone_to(page: Page) -> None:
    page.set_viewport_size({"width": 1440, "height": 500})
    tab(page, "settings")
    apply, search = page.locator("#settings_submit"), page.locator("#settings_search")
    page.click("#settings_nav >> text=Live previews")
    page.wait_for_function("scrollY > 300")
    page.wait_for_timeout(1000)  # it glides there
    for control in (apply, search):
        box = control.bounding_box()
        assert box and box["y"] >= 0 and box["y"] + box["height"] <= 64
    heading, bar = page.locator("#settings_live_previews h2").bounding_box(), search.bounding_box()
    assert heading and bar and heading["y"] >= bar["y"] + bar["height"]
    # It can be hit there: nothing that scrolls by lies over it.
    apply.click()
    expect(page.locator("#dk_notices")).to_contain_text("Nothing was changed")


def test_what_was_wrong_with_a_value_is_not_said_of_the_next(page: Page) -> None:
    tab(page, "settings")
    page.wait_for_selector("#setting_disabled_extensions input")  # it comes with the values that are set
    for name in ("max_waiting_visitor", "max_pictures_visitor"):
        page.fill(f"#setting_{name} input", "0")
    page.click("#settings_submit")
    expect(page.locator(".dk-field-error")).to_have_count(2)
    page.fill("#setting_max_waiting_visitor input", "5")
    expect(page.locator("#row_max_waiting_visitor .dk-field-error")).to_have_count(0)
    expect(page.locator("#row_max_pictures_visitor .dk-field-error")).to_have_count(1)


def test_settings_that_could_not_be_read_are_not_written_over(page: Page) -> None:
    server_says = {"disabled_extensions": ["switched-off"], "max_waiting_visitor": 9}
    headers = {"Origin": page.url.rstrip("/")}
    page.request.patch(f"{page.url}api/v1/settings", headers=headers, data=server_says)
    page.route("**/api/v1/settings", lambda route: route.fulfill(status=502, content_type="text/plain", body="Tired."))
    tab(page, "settings")
    expect(page.locator("#dk_notices")).to_contain_text("Tired.")
    page.unroute("**/api/v1/settings")
    page.click("#settings_submit")
    expect(page.locator("#setting_max_waiting_visitor input")).to_have_value("9")
    values = page.request.get(f"{page.url}api/v1/settings").json()["values"]
    assert {name: values[name] for name in server_says} == server_says


def test_attention_that_cannot_serve_here_says_why(page: Page) -> None:
    tab(page, "settings")
    page.fill("#settings_search", "attention")
    expect(page.locator("#setting_attention input")).to_have_value("Scaled dot product (torch)")
    page.click("#setting_attention input")
    options = page.locator("#setting_attention [role=option]")
    reason = "it needs a CUDA or ROCm card, and this is the CPU"
    expect(options.filter(has_text="xFormers")).to_contain_text(f"xFormers ({reason})")
    expect(options.filter(has_text="Sub-quadratic")).not_to_contain_text(reason)
    options.filter(has_text="xFormers").click()
    page.click("#settings_submit")
    expect(page.locator("#dk_notices")).to_contain_text("saved")


def test_a_sampler_whose_package_is_missing_is_listed_with_the_reason_and_cannot_be_chosen(page: Page) -> None:
    field = page.locator("#txt2img_sampling input")
    chosen = field.input_value()
    field.click()
    # The tests' own requirements have scipy and no torchsde.
    missing = page.locator("#txt2img_sampling [role=option][aria-label='DPM-Solver SDE (diffusers)']")
    expect(missing).to_have_attribute("aria-disabled", "true")
    expect(missing).to_have_attribute("title", "the package torchsde is not installed")
    expect(page.locator("#txt2img_sampling [role=option][aria-disabled=true]")).to_have_count(2)
    missing.click(force=True)
    assert page.evaluate("darkroom.form.valuesOf('txt2img').sampler_name") == chosen
    field.clear()
    field.press_sequentially("solver sd")
    expect(page.locator("#txt2img_sampling [role=option]")).to_have_count(1)
    expect(missing).to_have_attribute("aria-disabled", "true")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    field.blur()
    expect(field).to_have_value(chosen)
    assert page.evaluate("darkroom.form.valuesOf('txt2img').sampler_name") == chosen


def test_samplers_are_grouped_and_those_that_are_hidden_leave_the_list_alone(page: Page) -> None:
    options = page.locator("#txt2img_sampling [role=option]")

    def listed() -> list[str]:
        tab(page, "txt2img")
        page.click("#txt2img_sampling input")
        expect(options.first).to_be_visible()
        found = [str(option.get_attribute("aria-label")) for option in options.all()]
        page.keyboard.press("Escape")
        return found

    page.click("#txt2img_sampling input")
    heading = page.locator("#txt2img_sampling [role=option][data-heading]")
    # The example extension has one too.
    expect(heading).to_have_count(2)
    expect(heading.last).to_have_attribute("data-heading", "From diffusers")
    expect(heading.last).to_have_attribute("aria-label", "DPM-Solver++ (diffusers)")
    page.keyboard.press("Escape")
    before = listed()
    own = [name for name in before if not name.endswith("(diffusers)")]
    assert before[: len(own)] == own and len(before) > len(own) + 20 and "Heun" in own
    tab(page, "settings")
    page.fill("#settings_search", "hide samplers")
    page.locator("#setting_hide_samplers label").filter(has_text="Heun").first.locator("input").check()
    page.click("#settings_submit")
    expect(page.locator("#dk_notices")).to_contain_text("saved")
    hidden = page.evaluate("darkroom.shell.state.settings.hide_samplers")
    assert hidden == ["DPM++ 2M SDE Heun"], "the first whose name has it"
    assert listed() == [name for name in before if name not in hidden]
    answer = page.evaluate(
        "name => darkroom.api('POST', 'jobs', { prompt: 'red', steps: 1, sampler_name: name })", hidden[0]
    )
    assert answer["request"]["sampler_name"] == hidden[0]
    # What a read text names is chosen all the same.
    page.fill("#txt2img_prompt textarea", f"red\nSteps: 3, Sampler: {hidden[0]}, CFG scale: 4, Seed: 1, Size: 64x64")
    page.click("#paste")
    expect(page.locator("#txt2img_sampling input")).to_have_value(hidden[0], timeout=8000)
