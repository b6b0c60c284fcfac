"""Under the prompts: what is read out of them while one types, and how it is asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, Request, expect

from tests.browser.conftest import Open, Serve
from tests.browser.helpers import NEGATIVE, PROMPT, tab
from tests.engine.adapters.made import as_kohya, lora, write

pytestmark = pytest.mark.browser

TO_K = "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"
STYLES = 'name,prompt,negative_prompt\nPhoto,"photo of {prompt}, 35mm",drawing\n'


def settled(page: Page) -> None:
    """Wait until what is shown is of what stands in the form."""
    page.wait_for_function("darkroom.seen.settled()")


def type_(page: Page, prompt: str, negative: str = "") -> None:
    page.fill(PROMPT, prompt)
    page.fill(NEGATIVE, negative)
    page.wait_for_function(
        """wanted => {
            const { prompt, negative_prompt } = darkroom.form.valuesOf("txt2img");
            return prompt === wanted[0] && negative_prompt === wanted[1];
        }""",
        arg=[prompt, negative],
    )
    settled(page)


def test_chunks_steps_and_the_text_as_it_runs(serve: Serve, open_page: Open) -> None:
    server = serve()
    assert server.house is not None
    server.house.paths.style_files[0].write_text(STYLES, "utf-8")
    page = open_page(server)
    area = page.locator("#txt2img_seen_area")
    type_(page, "a red circle")
    expect(area).to_be_hidden()
    type_(page, f"[red:blue:0.25] circle, {'circle, ' * 40}", "[cow|horse]")
    counter = page.locator("#txt2img_token_counter .dk-tokens")
    expect(counter).to_have_text("83 / 150")
    expect(counter).to_have_attribute(
        "title", page.evaluate("darkroom.t('tokens_title')") + "\nCLIP-L: 75 / 75, 8 / 75"
    )
    chunks = page.locator(".dk-chunk > span")
    expect(chunks).to_have_text(["75 / 75", "8 / 75"])
    times = page.locator(".dk-times")
    expect(times).to_have_count(2)
    expect(times.first.locator("span")).to_have_text(["red", "blue"])
    assert times.first.locator("span").evaluate_all("list => list.map((one) => one.style.flexGrow)") == ["0.25", "0.75"]
    expect(times.first).to_have_attribute("aria-label", "red until 25 %, blue until 100 %")
    expect(page.locator(".dk-seen details")).to_be_hidden()
    page.evaluate("darkroom.form.fill('txt2img', {styles: ['Photo']})")
    type_(page, "a {cat|cat}")
    page.click(".dk-seen summary")
    expect(page.locator(".dk-run-text")).to_have_text(["photo of a cat, 35mm", "drawing"])
    page.press(PROMPT, "End")
    page.keyboard.type(" x")
    expect(page.locator(".dk-run-text").first).to_have_text("photo of a cat x, 35mm")


def test_times_of_all_texts_line_up_and_the_longest_is_named(page: Page) -> None:
    many = ", cat" * 45
    type_(page, f"[red:blue:0.5] circle AND [a hat:a big hat:0.5]{many} :0.5", "[cow:horse:0.5]")
    labels = page.locator(".dk-seen-line:has(.dk-times) .dk-seen-label")
    expect(labels).to_have_text(["Text 1× 1", "Text 2× 0.5", "Steps, negative prompt"])
    places = page.locator(".dk-times").evaluate_all(
        "list => list.map((one) => { const { left, width } = one.getBoundingClientRect(); return [left, width]; })"
    )
    assert len(places) == 3 and places[0] == places[1] == places[2] and places[0][1] > 200
    inside = page.locator(".dk-times > span:first-child").evaluate_all(
        "list => list.map((one) => one.getBoundingClientRect().right)"
    )
    assert max(inside) - min(inside) < 1
    expect(page.locator(".dk-longest")).to_have_text(["Of the longest text: Text 2, big"])
    type_(page, f"a circle{many}")
    expect(page.locator(".dk-chunk")).to_have_count(2)
    expect(page.locator(".dk-longest")).to_have_count(0)


def test_notes_stand_under_the_prompt(page: Page) -> None:
    notes = page.locator(".dk-seen-notes li")
    type_(page, "a circle __nope__ ${y}")
    expect(notes).to_have_text(
        [
            "There is no wildcard 'nope'. It was left as it is written.",
            "There is no variable 'y'. ${y} was left as it is.",
        ]
    )
    expect(notes.first).to_be_visible()
    expect(page.locator(".dk-seen details")).to_be_hidden()
    type_(page, "a circle")
    expect(notes).to_have_count(0)
    expect(page.locator("#txt2img_seen_area")).to_be_hidden()


def test_extra_networks_are_found_or_missing(tmp_path: Path, serve: Serve, open_page: Open) -> None:
    folder = tmp_path / "data" / "models" / "Lora"
    folder.mkdir(parents=True)
    write(folder / "ink.safetensors", lora({TO_K: (96, 2048)}, as_kohya("lora_unet"))[0])
    page = open_page(serve())
    type_(page, "cat <lora:starter-lime:0.5> <lora:starter-lim:1> <lora:ink:1> starter-plum")
    found = page.locator(".dk-networks li")
    expect(found).to_have_count(4)
    expect(found.last).to_contain_text("Found:starter-plum")
    problems = found.evaluate_all("list => list.map((one) => one.hasAttribute('data-problem'))")
    assert problems == [False, True, True, False]
    expect(found.nth(2)).to_contain_text("it is for Stable Diffusion XL")
    page.click(".dk-networks button:has-text('Use starter-lime')")
    mended = "cat <lora:starter-lime:0.5> <lora:starter-lime:1> <lora:ink:1> starter-plum"
    expect(page.locator(PROMPT)).to_have_value(mended)
    expect(page.locator(PROMPT)).to_be_focused()
    expect(page.locator(".dk-networks li[data-problem]")).to_have_count(1)


def is_of(request: Request, prompt: str) -> bool:
    return request.url.endswith("prompts/read") and f'"prompt":"{prompt}"' in (request.post_data or "")


def test_one_question_at_a_time_and_none_from_elsewhere(page: Page) -> None:
    settled(page)
    # The answer to the first never comes.
    page.route("**/api/v1/prompts/read", lambda route: None if is_of(route.request, "one") else route.continue_())
    with page.expect_request(lambda request: is_of(request, "one")):
        page.fill(PROMPT, "one")
    with page.expect_event("requestfailed", lambda request: is_of(request, "one")):
        page.fill(PROMPT, "two")
    settled(page)
    assert page.evaluate("darkroom.seen.now().prompt.text") == "two"
    tab(page, "queue")
    page.evaluate("darkroom.form.fill('txt2img', {prompt: 'three'})")
    page.wait_for_function("darkroom.form.valuesOf('txt2img').prompt === 'three'")
    assert page.evaluate("darkroom.seen.settled()") is False
    with page.expect_request("**/api/v1/prompts/read"):
        tab(page, "txt2img")
    settled(page)


def test_nothing_of_it_is_wider_than_a_phone(serve: Serve, open_page: Open) -> None:
    page = open_page(serve(), width=390, height=844, scheme="light")
    type_(page, "[a|b|c] " + "longword" * 30 + ", cat" * 60 + " <lora:nobody_of_this_name:1>", "{a|b} # x")
    page.click(".dk-seen summary")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
