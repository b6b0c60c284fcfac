"""The page's geometry at four widths, both themes, focus, targets, and Gradio's traps one by one."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open, Serve, ready
from tests.browser.helpers import GENERATE, PROMPT, RESULTS, SLOW, generate, set_number, state, tab
from webui.jobs.executors.fake import FakeExecutor

pytestmark = pytest.mark.browser

TABS = ("txt2img", "gallery", "queue", "settings")
NO_CUT_LABELS = """() => [...document.querySelectorAll('[data-testid=block-info], button, .dk-chip')]
    .filter((node) => node.offsetParent && node.scrollWidth > node.clientWidth + 1)
    .filter((node) => getComputedStyle(node).display !== 'inline' && node.clientWidth > 1)
    .filter((node) => !node.closest('.secondary-wrap'))
    .map((node) => node.textContent.trim())"""
GROUNDS = """() => [document.body, document.querySelector('.gradio-container')]
    .map((node) => getComputedStyle(node).backgroundColor)"""
PICTURE_FIRST = """() => {
    const [picture, settings] = ['results', 'settings'].map((name) => document.getElementById(`txt2img_${name}`));
    return picture.getBoundingClientRect().top < settings.getBoundingClientRect().top;
}"""
SMALL_TARGETS = """() => [...document.querySelectorAll('#tab_txt2img button')].filter((node) => node.offsetParent)
    .map((node) => [node.id || node.textContent, node.getBoundingClientRect()])
    .filter(([, box]) => Math.min(box.height, box.width) < 24).map(([name]) => name)"""
TYPE_SIZES = """() => [...document.querySelectorAll('textarea, input[type=number], input[role=combobox]')]
    .filter((node) => node.offsetParent).map((node) => parseFloat(getComputedStyle(node).fontSize))"""
FOCUSED = """() => {
    const node = document.activeElement;
    const style = getComputedStyle(node);
    const field = node.matches('input, textarea') && (node.closest('.wrap-inner') || node);
    const ring = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0;
    const lit = field && /0px -2px/.test(getComputedStyle(field).boxShadow);
    return [node.id || node.closest('[id^=txt2img], [id^=setting]')?.id || node.tagName, Boolean(ring || lit)];
}"""
LONG_LABELS = """() => {
    const values = [["Variation seed strength", "0.5"], ["Schedule type", "Automatic"], ["Size", ""]];
    const rows = values.map(([label, value]) => ({ label, value }));
    const picture = { prompt: "", values: rows, width: 1024, height: 128 };
    document.getElementById("txt2img_results").dataset.state = "done";
    darkroom.facts.draw(document.getElementById("html_info_txt2img"), picture);
}"""
LINES = """() => [...document.querySelectorAll("#html_info_txt2img dd")].map((node) => {
    const text = document.createRange();
    text.selectNodeContents(node);
    return text.getClientRects().length;
})"""
MOVING = """() => [...document.querySelectorAll('.gradio-container *')].map((node) => getComputedStyle(node))
    .filter((style) => style.animationName !== 'none' || parseFloat(style.transitionDuration) > 0).length"""


@pytest.mark.parametrize("width", [390, 1024, 1440, 1920])
def test_no_sideways_scroll_and_no_cut_label(serve: Serve, open_page: Open, width: int) -> None:
    page = open_page(serve(), width=width, height=900)
    generate(page, "a prompt_that_is_one_very_long_word_" + "x" * 300)
    for name in TABS:
        tab(page, name)
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        assert page.evaluate(NO_CUT_LABELS) == [], name


def test_values_beside_the_picture_are_not_broken_by_long_labels(page: Page) -> None:
    page.evaluate(LONG_LABELS)
    assert page.evaluate(LINES) == [1, 1, 1]


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_the_system_chooses_the_theme_and_the_switch_is_kept(serve: Serve, open_page: Open, scheme: str) -> None:
    page = open_page(serve(), scheme=scheme)
    ground = {"dark": "rgb(18, 16, 15)", "light": "rgb(245, 241, 236)"}
    other = "light" if scheme == "dark" else "dark"

    def grounds() -> set[str]:
        return set(page.evaluate(GROUNDS))

    assert grounds() == {ground[scheme]}
    page.click("#dk_theme")
    assert grounds() == {ground[other]}
    page.reload()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == ground[other]
    ready(page)
    assert grounds() == {ground[other]}


def test_one_filled_button_and_it_is_the_next_step(serve: Serve, open_page: Open) -> None:
    server = serve(FakeExecutor(SLOW, capacity=1))
    page = open_page(server)
    fill = "rgb(244, 96, 47)"
    filled = f"""() => [...document.querySelectorAll('button')].filter((node) => node.offsetParent
        && getComputedStyle(node).backgroundColor === '{fill}').map((node) => node.id)"""
    assert page.evaluate(filled) == ["txt2img_generate"]
    generate(page, "a red circle", "running")
    page.mouse.move(5, 500)
    page.wait_for_timeout(200)
    assert page.evaluate(filled) == []
    server.hurry()
    state(page, "done")
    tab(page, "settings")
    page.wait_for_selector("#settings_submit")
    assert page.evaluate(filled) == ["settings_submit"]


def test_four_pictures_can_be_seen_at_once(page: Page) -> None:
    set_number(page, "batch_size", 4)
    generate(page, "four circles")
    expect(page.locator("#txt2img_gallery img")).to_have_count(4)
    for image in page.locator("#txt2img_gallery img").all():
        box = image.bounding_box()
        assert box and box["y"] + box["height"] <= 900 and box["width"] > 200
    page.locator("#txt2img_gallery button").nth(2).click()
    seed = page.evaluate("darkroom.results.selected().seed")
    assert seed == page.evaluate("darkroom.jobs.current().pictures[2].seed")
    expect(page.locator("#html_info_txt2img")).to_contain_text(str(seed))


@pytest.mark.parametrize(
    ("n", "width", "height"), [(1, 64, 128), (3, 128, 128), (3, 64, 128), (4, 64, 128), (5, 128, 128), (3, 128, 64)]
)
def test_pictures_fill_their_part_of_the_stage_without_holes(page: Page, n: int, width: int, height: int) -> None:
    set_number(page, "width", width)
    set_number(page, "height", height)
    set_number(page, "batch_size", n)
    generate(page, "circles")
    expect(page.locator("#txt2img_gallery img")).to_have_count(n)
    boxes = [cell.bounding_box() for cell in page.locator("#txt2img_gallery .dk-cell").all()]
    stage = page.locator(".dk-stage").bounding_box()
    assert stage
    cells = [(box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"]) for box in boxes if box]
    for left, top, right, bottom in cells:
        assert (right - left) / (bottom - top) == pytest.approx(width / height, rel=0.02), "no band beside a picture"
        assert left >= stage["x"] - 1 and right <= stage["x"] + stage["width"] + 1
        assert top >= stage["y"] - 1 and bottom <= stage["y"] + stage["height"] + 1
    # A cell reaches half a gap further on each side; so enlarged, cells without a hole cover their common frame.
    grown = [(left - 4, top - 4, right + 4, bottom + 4) for left, top, right, bottom in cells]
    frame = [edge(corner) for edge, corner in zip((min, min, max, max), zip(*grown, strict=True), strict=True)]
    covered = sum((right - left) * (bottom - top) for left, top, right, bottom in grown)
    assert covered == pytest.approx((frame[2] - frame[0]) * (frame[3] - frame[1]), rel=0.01)
    assert max(frame[2] - frame[0], frame[3] - frame[1]) == pytest.approx(stage["width"] + 8, abs=2), (
        "as large as may be"
    )


def test_the_phone_has_generate_under_the_thumb_and_the_picture_before_the_settings(
    serve: Serve, open_page: Open
) -> None:
    server = serve(FakeExecutor(SLOW, capacity=1))
    page = open_page(server, width=390, height=844, has_touch=True)
    assert page.evaluate(PICTURE_FIRST) is False
    example = page.locator("#txt2img_empty .dk-examples button").last.bounding_box()
    assert example and example["y"] + example["height"] <= 844 * 1.5
    expect(page.locator("#dk_help")).to_be_hidden()
    page.fill(PROMPT, "a red circle")
    box = page.locator(GENERATE).bounding_box()
    assert box and box["height"] >= 44 and 844 - 80 < box["y"] + box["height"] <= 844
    page.tap(GENERATE)
    state(page, "running")
    assert page.evaluate(PICTURE_FIRST) is True
    step, bar = (page.locator(part).bounding_box() for part in (".dk-step", "#txt2img_generate_box"))
    assert step and bar and step["y"] >= 0 and step["y"] + step["height"] <= bar["y"]
    for name in ("interrupt", "skip", "generate"):
        box = page.locator(f"#txt2img_{name}").bounding_box()
        assert box and box["height"] >= 40 and box["y"] + box["height"] <= 844
    server.hurry()
    state(page, "done")
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    seed, bar = (page.locator(part).bounding_box() for part in ("#txt2img_seed", "#txt2img_generate_box"))
    assert seed and bar and seed["y"] + seed["height"] <= bar["y"]
    assert page.evaluate(SMALL_TARGETS) == []
    assert min(page.evaluate(TYPE_SIZES)) >= 16


def test_the_words_of_the_empty_panel_are_never_cut(serve: Serve, open_page: Open) -> None:
    page = open_page(serve(), width=1024, height=768)
    words = page.locator("#txt2img_empty .dk-about p").last.bounding_box()
    panel = page.locator(".dk-stage").bounding_box()
    assert words and panel and words["y"] + words["height"] <= panel["y"] + panel["height"]
    assert page.evaluate("document.getElementById('txt2img_empty').scrollHeight") <= panel["height"] + 1


def test_the_list_of_keys_has_a_button(page: Page) -> None:
    page.click("#dk_help")
    expect(page.locator("#dk_keys")).to_contain_text("Ctrl + Enter")
    page.click("#dk_keys button")
    expect(page.locator("#dk_keys")).to_be_hidden()
    expect(page.locator("#dk_help")).to_be_focused()


def test_tab_reaches_everything_in_reading_order_with_a_visible_ring(page: Page) -> None:
    page.evaluate("document.activeElement.blur()")
    seen, unmarked = [], []
    for _ in range(60):
        page.keyboard.press("Tab")
        for _ in range(20):
            name, marked = page.evaluate(FOCUSED)
            if marked:
                break
            page.wait_for_timeout(100)  # the lower edge lights up in 120 ms
        seen.append(name)
        if not marked and name != "BODY":
            unmarked.append(name)
    wanted = [
        "setting_sd_model_checkpoint",
        "dk_help",
        "dk_theme",
        "tab_txt2img-button",
        "txt2img_prompt",
        "txt2img_neg_prompt",
        "txt2img_generate",
        "paste",
        "txt2img_sampling",
        "txt2img_steps",
        "txt2img_width",
        "txt2img_seed",
    ]
    places = [seen.index(name) for name in wanted]
    assert places == sorted(places)
    assert not unmarked


def test_progress_and_state_are_told_to_those_who_do_not_see(serve: Serve, open_page: Open) -> None:
    server = serve(FakeExecutor(SLOW, capacity=1))
    page = open_page(server)
    generate(page, "a red circle", "running")
    bar = page.locator(f"{RESULTS} > [role=progressbar]")
    expect(bar).to_have_attribute("aria-valuenow", re.compile(r"\d+"))
    expect(page.locator("#txt2img_news")).to_have_text(re.compile("(25|50|75) % done"))
    server.hurry()
    state(page, "done")
    assert page.evaluate("[...document.images].filter((image) => image.offsetParent && !image.alt).length") == 0
    assert page.locator("h1").inner_text() == "Darkroom"


def test_reduced_motion_stops_all_motion(serve: Serve, open_page: Open) -> None:
    page = open_page(serve(FakeExecutor(SLOW, capacity=1)), reduced_motion="reduce")
    generate(page, "a red circle", "running")
    assert page.evaluate(MOVING) == 0


def test_one_event_stream_a_page_and_no_request_leaves_the_machine(serve: Serve, open_page: Open) -> None:
    server = serve()
    page = open_page(server)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    ready(page)
    generate(page, "a red circle")
    assert sum("/api/v1/events" in url for url in asked) == 1
    assert [url for url in asked if not url.startswith((server.url, "data:", "blob:"))] == []


def test_nothing_of_ours_is_a_gradio_endpoint(page: Page) -> None:
    config = page.request.get(f"{page.url}config").json()
    assert [one["id"] for one in config["dependencies"] if one.get("backend_fn")] == []
