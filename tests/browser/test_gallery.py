"""The gallery: what it shows, what can be done with a picture, and how one gets away and comes back."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.helpers import PROMPT, generate, set_number, tab

pytestmark = pytest.mark.browser


def test_gallery_shows_own_pictures_newest_first_and_deletes_into_the_bin(page: Page) -> None:
    tab(page, "gallery")
    expect(page.locator("#gallery_empty")).to_contain_text("No pictures yet")
    tab(page, "txt2img")
    for prompt in ("first circle", "second star", "third heart"):
        generate(page, prompt, "done")
        page.wait_for_function(f"darkroom.results.selected().infotext.startsWith('{prompt}')")
    tab(page, "gallery")
    cells = page.locator("#gallery_grid [role=listitem]")
    expect(cells).to_have_count(3)
    alts = [image.get_attribute("alt") or "" for image in page.locator("#gallery_grid img").all()]
    assert [alt.split(",")[0] for alt in alts] == ["third heart", "second star", "first circle"]
    detail = page.locator("#gallery_detail")
    expect(detail).to_contain_text("third heart")
    expect(detail).to_contain_text("00003-")
    cells.nth(1).click()
    expect(detail).to_contain_text("second star")
    cells.nth(1).click()
    expect(page.locator("#dk_lightbox")).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#dk_lightbox img")).to_have_attribute(
        "alt", cells.nth(2).locator("img").get_attribute("alt") or ""
    )
    page.keyboard.press("Escape")
    expect(page.locator("#dk_lightbox")).to_be_hidden()
    page.fill("#gallery_search", "circle")
    expect(cells).to_have_count(1)
    page.fill("#gallery_search", "no such words")
    expect(page.locator("#gallery_empty")).to_contain_text("No picture has these words")


def test_one_press_deletes_and_each_deleted_picture_has_its_undo(page: Page) -> None:
    for prompt in ("first circle", "second star", "third heart"):
        generate(page, prompt)
        page.wait_for_function(f"darkroom.results.selected().infotext.startsWith('{prompt}')")
    tab(page, "gallery")
    cells = page.locator("#gallery_grid [role=listitem]")
    detail, notices = page.locator("#gallery_detail"), page.locator("#dk_notices > div")
    cells.nth(1).click()
    detail.get_by_role("button", name="Delete").click()
    expect(cells).to_have_count(2)
    expect(notices).to_have_text([re.compile("^00002-.* is in the bin")])
    expect(detail).to_contain_text("first circle")
    detail.get_by_role("button", name="Delete").press("Enter")
    expect(cells).to_have_count(1)
    expect(notices).to_have_count(2)
    # By keyboard the way back is under the same key.
    page.keyboard.press("Enter")
    expect(cells).to_have_count(2)
    expect(detail).to_contain_text("first circle")
    notices.get_by_role("button", name="Undo").click()
    expect(cells).to_have_count(3)
    expect(detail).to_contain_text("second star")
    expect(cells.nth(1).locator("button")).to_have_attribute("aria-pressed", "true")
    page.reload()
    tab(page, "gallery")
    expect(cells).to_have_count(3)


def test_the_delete_key_puts_the_shown_picture_into_the_bin(page: Page) -> None:
    make_many(page, 3, 1)
    tab(page, "gallery")
    cells, notices = page.locator("#gallery_grid [role=listitem]"), page.locator("#dk_notices > div")
    expect(cells).to_have_count(3)
    ids = [cell.get_attribute("data-id") for cell in cells.all()]
    # The key belongs to the field while one types.
    page.fill("#gallery_search", "many")
    page.keyboard.press("Home")
    page.keyboard.press("Delete")
    expect(page.locator("#gallery_search")).to_have_value("any")
    page.fill("#gallery_search", "")
    expect(cells).to_have_count(3)
    cells.nth(1).locator("button").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Control+Delete")
    page.wait_for_timeout(500)
    expect(cells).to_have_count(3)
    page.keyboard.press("Delete")
    expect(cells).to_have_count(2)
    expect(notices).to_have_count(1)
    assert [cell.get_attribute("data-id") for cell in cells.all()] == ids[1:]
    # Pressed again it takes the next, which the focus has gone to.
    expect(cells.nth(0).locator("button")).to_be_focused()
    page.keyboard.press("Delete")
    expect(cells).to_have_count(1)
    notices.nth(0).get_by_role("button", name="Undo").click()
    expect(cells).to_have_count(2)
    expect(cells.nth(0).locator("button")).to_be_focused()
    assert [cell.get_attribute("data-id") for cell in cells.all()] == [ids[0], ids[2]]


def test_the_delete_key_pressed_twice_in_a_hurry_asks_once(page: Page) -> None:
    make_many(page, 2, 1)
    tab(page, "gallery")
    cells = page.locator("#gallery_grid [role=listitem]")
    expect(cells).to_have_count(2)
    press_twice = """() => [1, 2].forEach(() =>
        document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "Delete", bubbles: true })))"""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.method))
    page.evaluate(press_twice)
    expect(cells).to_have_count(1)
    page.wait_for_timeout(500)
    assert asked.count("DELETE") == 1
    expect(page.locator("#dk_notices > div")).to_have_text([re.compile("is in the bin")])


def test_a_list_that_was_asked_for_before_a_picture_was_deleted_does_not_bring_it_back(page: Page) -> None:
    for _ in range(2):
        make_many(page, 1, 1)
    tab(page, "gallery")
    cells = page.locator("#gallery_grid [role=listitem]")
    expect(cells).to_have_count(2)
    held: list[Route] = []
    page.route(re.compile(r"/api/v1/pictures\?"), lambda route: held.append(route))
    make_many(page, 1, 1)
    while not held:
        page.wait_for_timeout(50)
    late = held[0].fetch()
    page.locator("#gallery_detail").get_by_role("button", name="Delete").click()
    expect(cells).to_have_count(1)
    held[0].fulfill(response=late)
    expect(cells).to_have_count(2)
    page.wait_for_timeout(300)
    expect(cells).to_have_count(2)


@pytest.mark.parametrize("where", ["txt2img", "gallery"])
def test_the_delete_key_in_the_lightbox_closes_it_and_offers_the_way_back(page: Page, where: str) -> None:
    generate(page, "a red circle")
    place, image = "#txt2img_gallery .dk-cell", "#txt2img_gallery img"
    if where == "gallery":
        tab(page, "gallery")
        place, image = "#gallery_detail .dk-cell", "#gallery_grid img"
    page.click(place)
    expect(page.locator("#dk_lightbox")).to_be_visible()
    page.keyboard.press("Delete")
    expect(page.locator("#dk_lightbox")).to_be_hidden()
    expect(page.locator(image)).to_have_count(0)
    page.locator("#dk_notices").get_by_role("button", name="Undo").click()
    expect(page.locator(image)).to_have_count(1)


def make_many(page: Page, jobs: int, pictures: int, prompt: str = "many") -> None:
    """Have so many jobs made, and wait for them."""
    done = "[...darkroom.jobs.all.values()].filter((job) => job.state === 'done').length"
    before = page.evaluate(done)
    for _ in range(jobs):
        page.request.post(
            f"{page.url}api/v1/jobs",
            headers={"Origin": page.url.rstrip("/")},
            data={"prompt": prompt, "batch_size": pictures, "steps": 1},
        )
    page.wait_for_function(f"{done} === {before + jobs}")


def test_new_pictures_come_in_front_and_leave_pages_choice_and_sight_alone(page: Page) -> None:
    make_many(page, 5, 16)
    tab(page, "gallery")
    cells = page.locator("#gallery_grid [role=listitem]")
    page.click("#gallery_more")
    expect(cells).to_have_count(80)
    chosen = cells.nth(70)
    chosen.click()
    watched = page.locator(f"[data-id='{chosen.get_attribute('data-id')}']").first
    before = watched.bounding_box()
    make_many(page, 1, 16, "a newcomer")
    expect(cells).to_have_count(96)
    expect(cells.first.locator("img")).to_have_attribute("alt", re.compile("^a newcomer"))
    expect(watched.locator("button")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#gallery_detail")).to_contain_text("many")
    after = watched.bounding_box()
    assert before and after and abs(after["y"] - before["y"]) < before["height"] * 1.5
    assert page.evaluate("scrollY") > 500
    page.fill("#gallery_search", "newcomer")
    expect(cells).to_have_count(16)
    make_many(page, 1, 1, "something else")
    page.wait_for_timeout(500)
    expect(cells).to_have_count(16)


def test_new_pictures_are_looked_for_again_after_a_look_that_failed(page: Page) -> None:
    generate(page, "a red circle")
    tab(page, "gallery")
    expect(page.locator("#gallery_grid > div")).to_have_count(1)
    page.route(
        "**/api/v1/pictures?*",
        lambda route: route.fulfill(status=502, body="The proxy is tired.", content_type="text/plain"),
    )
    page.evaluate("darkroom.make.again([...darkroom.jobs.all.values()][0])")
    expect(page.locator("#dk_notices")).to_contain_text("The proxy is tired.")
    page.unroute("**/api/v1/pictures?*")
    tab(page, "queue")
    tab(page, "gallery")
    expect(page.locator("#gallery_grid > div")).to_have_count(2)


def test_what_can_be_done_with_a_picture_is_seen_without_scrolling(page: Page) -> None:
    generate(page, "a long story " * 60)
    tab(page, "gallery")
    for width, height in ((1440, 900), (1024, 768), (1920, 1080), (1366, 650)):
        page.set_viewport_size({"width": width, "height": height})
        for name in ("→ txt2img", "Download", "Copy the settings", "Interrogate", "Delete"):
            box = page.locator(f"#gallery_detail .dk-act:text-is('{name}')").bounding_box()
            assert box and box["y"] > 0 and box["y"] + box["height"] < height, (width, name)


def test_gallery_is_paged(page: Page) -> None:
    make_many(page, 5, 16)
    tab(page, "gallery")
    cells = page.locator("#gallery_grid [role=listitem]")
    expect(cells).to_have_count(60)
    page.click("#gallery_more")
    expect(cells).to_have_count(80)
    assert (
        len(
            set(page.eval_on_selector_all("#gallery_grid [data-id]", "(nodes) => nodes.map((node) => node.dataset.id)"))
        )
        == 80
    )
    expect(page.locator("#gallery_more")).to_be_hidden()


def test_gallery_sends_settings_to_txt2img(page: Page) -> None:
    set_number(page, "steps", 11)
    generate(page, "a moon")
    page.fill(PROMPT, "other")
    set_number(page, "steps", 20)
    tab(page, "gallery")
    page.click("#gallery_detail >> text='→ txt2img'")
    expect(page.locator(PROMPT)).to_be_visible()
    expect(page.locator(PROMPT)).to_have_value("a moon")
    page.wait_for_function("darkroom.form.valuesOf('txt2img').steps === 11")


# Browsers offer navigator.clipboard on https and loopback addresses only; `launch.py --listen` is often neither.
NO_CLIPBOARD = "delete Navigator.prototype.clipboard"


@pytest.mark.parametrize("where", ["txt2img", "gallery"])
def test_copying_works_where_the_browser_offers_no_clipboard(page: Page, where: str) -> None:
    generate(page, "a moon to copy")
    page.evaluate(NO_CLIPBOARD)
    tab(page, where)
    page.click("#txt2img_copy" if where == "txt2img" else "#gallery_detail >> text='Copy the settings'")
    expect(page.locator("#dk_notices")).to_contain_text("Copied")
    tab(page, "txt2img")
    page.fill(PROMPT, "")
    page.press(PROMPT, "Control+V")
    expect(page.locator(PROMPT)).to_have_value(re.compile(r"^a moon to copy\nSteps: "))


def test_where_copying_is_forbidden_the_text_is_selected_to_be_copied_by_hand(page: Page) -> None:
    generate(page, "a moon to copy")
    page.evaluate(f"{NO_CLIPBOARD}; document.execCommand = () => false")
    page.click("#txt2img_copy")
    expect(page.locator("#dk_copy")).to_contain_text("press Ctrl+C")
    assert page.evaluate("getSelection().toString()").startswith("a moon to copy")
    page.keyboard.press("Escape")
    expect(page.locator("#dk_copy")).to_be_hidden()
