"""Styles and dynamic prompts on the page: chosen, applied, written in the dialog; drawn words are read back."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Open, Serve
from tests.browser.helpers import NEGATIVE, PROMPT, generate
from tests.browser.server import PageServer
from webui.web.identity import Sharing

pytestmark = pytest.mark.browser

STYLES = 'name,prompt,negative_prompt\nPhoto,"photo of {prompt}, 35mm",drawing\nWarm,"warm light",\n'
DIALOG = "#txt2img_styles_dialog"


def with_styles(server: PageServer) -> PageServer:
    assert server.house is not None
    server.house.paths.style_files[0].write_text(STYLES, "utf-8")
    return server


def choose(page: Page, name: str) -> None:
    page.click("#txt2img_styles input")
    page.locator("#txt2img_styles").page.get_by_role("option", name=name).click()
    page.keyboard.press("Escape")


def chosen(page: Page) -> list[str]:
    return page.evaluate("darkroom.form.valuesOf('txt2img').styles")


def newest(page: Page) -> dict[str, object]:
    return page.evaluate("[...darkroom.jobs.all.values()].sort((a, b) => b.created - a.created)[0].request")


def test_a_chosen_style_makes_the_picture_and_can_be_applied(serve: Serve, open_page: Open) -> None:
    page = open_page(with_styles(serve()))
    choose(page, "Photo")
    page.wait_for_function("darkroom.form.valuesOf('txt2img').styles.join() === 'Photo'")
    generate(page, "cat")
    drawn = newest(page)["drawn"]
    assert isinstance(drawn, dict)
    assert (drawn["template"], drawn["negative_template"]) == ("photo of cat, 35mm", "drawing")
    page.click("#txt2img_style_apply")
    expect(page.locator(PROMPT)).to_have_value("photo of cat, 35mm")
    expect(page.locator(NEGATIVE)).to_have_value("drawing")
    page.wait_for_function("darkroom.form.valuesOf('txt2img').styles.length === 0")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(PROMPT)).to_have_value("cat")
    page.wait_for_function("darkroom.form.valuesOf('txt2img').styles.join() === 'Photo'")


def test_the_owner_writes_changes_and_deletes_a_style(serve: Serve, open_page: Open) -> None:
    server = with_styles(serve())
    page = open_page(server)
    page.fill(PROMPT, "a misty morning")
    page.wait_for_function("darkroom.form.valuesOf('txt2img').prompt === 'a misty morning'")
    page.click("#txt2img_styles_edit_button")
    page.fill(f"{DIALOG} [name=name]", "Misty")
    page.click(f"{DIALOG} button:has-text('Take the prompts')")
    page.click(f"{DIALOG} [type=submit]")
    expect(page.locator(f"{DIALOG} [role=status]")).to_have_text("Saved Misty")
    expect(page.locator(f"{DIALOG} [name=choice]")).to_have_value("Misty")
    page.fill(f"{DIALOG} [name=negative_prompt]", "sun")
    page.click(f"{DIALOG} [type=submit]")
    page.wait_for_function(
        "fetch('/api/v1/styles').then(a => a.json()).then(a => a.styles[2]?.negative_prompt === 'sun')"
    )
    assert server.house is not None
    assert server.house.paths.style_files[0].read_text("utf-8") == f"{STYLES}Misty,a misty morning,sun\n"
    page.select_option(f"{DIALOG} [name=choice]", "Warm")
    expect(page.locator(f"{DIALOG} [name=prompt]")).to_have_value("warm light")
    delete = page.locator(f"{DIALOG} .dk-style-delete")
    delete.click()
    delete.click()
    expect(page.locator(f"{DIALOG} [role=status]")).to_have_text("Deleted Warm")
    page.keyboard.press("Escape")
    page.click("#txt2img_styles input")
    expect(page.get_by_role("option", name="Misty")).to_be_visible()
    expect(page.get_by_role("option", name="Warm")).to_have_count(0)


def test_while_a_style_is_saved_no_other_is_chosen(serve: Serve, open_page: Open) -> None:
    page = open_page(with_styles(serve()))
    held: list[Route] = []
    page.click("#txt2img_styles_edit_button")
    page.select_option(f"{DIALOG} [name=choice]", "Photo")
    page.fill(f"{DIALOG} [name=negative_prompt]", "sketch")
    page.route(
        "**/api/v1/styles", lambda route: held.append(route) if route.request.method == "POST" else route.continue_()
    )
    with page.expect_request("**/api/v1/styles"):
        page.click(f"{DIALOG} [type=submit]")
    expect(page.locator(f"{DIALOG} [name=choice]")).to_be_disabled()
    held.pop().continue_()
    expect(page.locator(f"{DIALOG} [role=status]")).to_have_text("Saved Photo")
    expect(page.locator(f"{DIALOG} [name=choice]")).to_be_enabled()
    page.select_option(f"{DIALOG} [name=choice]", "Warm")
    expect(page.locator(f"{DIALOG} [name=name]")).to_have_value("Warm")


def test_what_is_no_style_is_said_in_the_dialog(serve: Serve, open_page: Open) -> None:
    page = open_page(with_styles(serve()))
    page.click("#txt2img_styles_edit_button")
    page.fill(f"{DIALOG} [name=name]", "# no name")
    page.click(f"{DIALOG} [type=submit]")
    expect(page.locator(f"{DIALOG} .dk-field-error")).to_contain_text("does not begin with '#'")


def test_a_guest_chooses_and_does_not_edit(serve: Serve, open_page: Open) -> None:
    page = open_page(with_styles(serve(sharing=Sharing(listen=True))))
    choose(page, "Warm")
    assert chosen(page) == ["Warm"]
    expect(page.locator("#txt2img_styles_edit_button")).to_be_hidden()


def test_what_was_drawn_is_read_back_as_words(serve: Serve, open_page: Open) -> None:
    page = open_page(with_styles(serve()))
    choose(page, "Photo")
    generate(page, "a {red|blue|green} cat")
    prompt = page.evaluate("darkroom.results.selected().prompt")
    assert prompt in {f"photo of a {colour} cat, 35mm" for colour in ("red", "blue", "green")}
    page.fill(PROMPT, "")
    page.wait_for_function("darkroom.form.valuesOf('txt2img').prompt === ''")
    page.click("#paste")
    expect(page.locator(PROMPT)).to_have_value(prompt.removeprefix("photo of ").removesuffix(", 35mm"))
    assert chosen(page) == ["Photo"]


def test_combinations_become_pictures(serve: Serve, open_page: Open) -> None:
    page = open_page(serve())
    page.click("#txt2img_dynamic > button")
    page.check("#txt2img_combinatorial input")
    page.wait_for_function("darkroom.form.valuesOf('txt2img').combinatorial === true")
    generate(page, "a {red|blue} {cat|dog}")
    request = newest(page)
    assert request["n_iter"] == 4
