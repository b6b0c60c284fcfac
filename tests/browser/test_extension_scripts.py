"""Scripts of extensions on the page: the bundled shape buttons, and that one script's mistake is its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open, Serve

pytestmark = pytest.mark.browser


def size(page: Page) -> tuple[int, int]:
    values = page.evaluate("window.darkroom.extend.values()")
    return values["width"], values["height"]


def test_a_shape_has_as_many_pixels_and_is_turned_when_pressed_again(serve: Serve, open_page: Open) -> None:
    page = open_page(serve())
    page.evaluate("window.darkroom.extend.set({ width: 1024, height: 1024 })")
    page.click("#aspect_ratio >> text='16:9'")
    page.wait_for_function("window.darkroom.extend.values().width === 1344")
    assert size(page) == (1344, 768)
    expect(page.locator("#txt2img_width input[type=number]")).to_have_value("1344")
    page.click("#aspect_ratio >> text='16:9'")
    page.wait_for_function("window.darkroom.extend.values().width === 768")
    assert size(page) == (768, 1344)
    page.click("#aspect_ratio >> text='1:1'")
    page.wait_for_function("window.darkroom.extend.values().width === 1024")
    assert size(page) == (1024, 1024)


def test_one_extensions_script_that_fails_leaves_the_page_as_it_is(
    serve: Serve, open_page: Open, tmp_path: Path
) -> None:
    folder = tmp_path / "data" / "extensions" / "wrong"
    (folder / "web").mkdir(parents=True)
    (folder / "extension.toml").write_text('name = "wrong"\nversion = "1"\napi = "1"\n')
    (folder / "extension.py").write_text("")
    (folder / "web" / "a.js").write_text('window.darkroom.extend.ready(() => { throw new Error("mine") });')
    (folder / "web" / "b.js").write_text("window.darkroom.extend.ready(() => { window.after = true; });")
    page = open_page(serve())
    assert page.evaluate("window.after") is True
    page.fill("#txt2img_prompt textarea", "a red circle")
    page.click("#txt2img_generate")
    expect(page.locator("#txt2img_gallery img").first).to_be_visible()


def test_tags_are_suggested_taken_with_keys_and_put_away(serve: Serve, open_page: Open) -> None:
    page = open_page(serve())
    box, tags = page.locator("#txt2img_prompt textarea"), page.locator("#dk_suggestions")
    box.click()
    page.keyboard.type("a (crim")
    expect(tags.locator("li")).to_have_text(["crimson → red900"])
    page.keyboard.press("Tab")
    expect(box).to_have_value("a (red, ")
    expect(tags).to_be_hidden()
    page.keyboard.type("bac")
    page.wait_for_timeout(400)
    expect(tags).to_be_hidden()
    for _ in "bac":
        page.keyboard.press("Backspace")
    page.keyboard.type("white b")
    expect(tags.locator("li")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(tags).to_be_hidden()
    expect(box).to_have_value("a (red, white b")
    page.keyboard.type("ac")
    tags.locator("li").click()
    expect(box).to_have_value("a (red, white background, ")
    page.wait_for_function("window.darkroom.extend.values().prompt === 'a (red, white background, '")
