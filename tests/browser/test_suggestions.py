"""Suggestions while one types a prompt: names of LoRAs, embeddings, wildcards and styles; and prompts used last."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Open, Serve
from tests.browser.helpers import NEGATIVE, PROMPT, generate
from tests.engine.adapters.made import as_kohya, lora, write
from webui.ui.assets import FOLDER
from webui.web.identity import Sharing

pytestmark = pytest.mark.browser

OF_TEXT = "text_model.encoder.layers.0.self_attn.q_proj"
STYLES = 'name,prompt,negative_prompt\nWatery light,"{prompt}, wet",\n'
LIST = "#dk_suggestions"


@pytest.fixture
def page(tmp_path: Path, serve: Serve, open_page: Open) -> Page:
    """A page on a house with two LoRAs, a wildcard and a style."""
    server = serve()
    assert server.house is not None
    paths = server.house.paths
    paths.model_folders.loras[0].mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(("water_wash", "ink")):
        write(
            paths.model_folders.loras[0] / f"{name}.safetensors",
            lora({OF_TEXT: (64, 64)}, as_kohya("lora_te"), seed=seed)[0],
        )
    paths.wildcards[0].mkdir(parents=True, exist_ok=True)
    (paths.wildcards[0] / "waters.txt").write_text("sea\nlake\n", "utf-8")
    paths.style_files[0].write_text(STYLES, "utf-8")
    return open_page(server)


def test_names_of_every_kind_are_suggested_and_taken(page: Page) -> None:
    box, rows = page.locator(PROMPT), page.locator(f"{LIST} li")
    box.click()
    page.keyboard.type("a (cat:1.2), wat")
    expect(rows.locator("span")).to_have_text(["water_wash", "waters", "Watery light"])
    expect(rows.nth(1).locator("small")).to_have_text("Wildcard · 2")
    page.keyboard.press("ArrowDown")
    expect(box).to_have_attribute("aria-activedescendant", "dk_suggestions_1")
    page.keyboard.press("Enter")
    expect(box).to_have_value("a (cat:1.2), __waters__")
    page.keyboard.type(", <lora:in")
    expect(rows).to_have_count(1)
    page.keyboard.press("Tab")
    expect(box).to_have_value("a (cat:1.2), __waters__, <lora:ink:1>")
    page.keyboard.type(" __wa")
    expect(rows.locator("span")).to_have_text(["waters"])
    page.keyboard.press("Tab")
    expect(box).to_have_value("a (cat:1.2), __waters__, <lora:ink:1> __waters__")
    page.keyboard.press("Control+z")
    expect(box).to_have_value("a (cat:1.2), __waters__, <lora:ink:1> __wa")
    page.fill(NEGATIVE, "starter-p")
    expect(rows.locator("span")).to_have_text(["starter-plum"])
    page.keyboard.press("Tab")
    expect(page.locator(NEGATIVE)).to_have_value("starter-plum")


def test_a_name_within_a_sentence_is_suggested_by_its_own_word(page: Page) -> None:
    box, rows = page.locator(PROMPT), page.locator(f"{LIST} li")
    box.click()
    page.keyboard.type("a boat on wate")
    expect(rows.locator("span")).to_have_text(["water_wash", "waters", "Watery light"])
    # It may be but a word: Enter is a new line until one is gone to.
    page.keyboard.press("Enter")
    expect(box).to_have_value("a boat on wate\n")
    expect(rows.first).to_be_hidden()
    page.keyboard.press("Backspace")
    expect(rows.nth(1)).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    expect(box).to_have_value("a boat on __waters__")
    # What is sure of them, as an extension's tags, is marked, and not what stands before it.
    page.evaluate("darkroom.suggest.add(() => [{ label: 'water lily', insert: 'water lily' }])")
    page.keyboard.type(", a big wate")
    expect(rows.locator("span")).to_have_text(["water_wash", "waters", "Watery light", "water lily"])
    page.keyboard.press("Tab")
    expect(box).to_have_value("a boat on __waters__, water lily, ")


@pytest.mark.parametrize(("text", "names"), [("a ash", []), ("a was", ["water_wash"]), ("a wa", [])])
def test_words_that_only_hold_the_last_one_are_no_names(page: Page, text: str, names: list[str]) -> None:
    where = {"text": text, "end": len(text)}
    found = page.evaluate("where => darkroom.suggest.sources[0](where)", where)
    assert [one["label"] for one in found] == names


def test_what_stands_behind_the_cursor_stays(page: Page) -> None:
    box, rows = page.locator(PROMPT), page.locator(f"{LIST} li")
    box.fill(" in the sea")
    box.press("Home")
    page.keyboard.type("wat")
    expect(rows.first).to_be_visible()
    # Moved by a hand that presses no key.
    box.evaluate("box => box.setSelectionRange(box.value.length, box.value.length)")
    page.keyboard.press("Tab")
    expect(rows.first).to_be_hidden()
    expect(box).to_have_value("wat in the sea")


def test_a_style_is_chosen_and_is_no_word(page: Page) -> None:
    page.fill(PROMPT, "a cat, watery")
    row = page.locator(f"{LIST} li:has-text('Watery light')")
    row.click()
    expect(page.locator(PROMPT)).to_have_value("a cat, ")
    page.wait_for_function("darkroom.form.valuesOf('txt2img').styles.join() === 'Watery light'")


def test_prompts_used_last_come_back(page: Page) -> None:
    page.fill(NEGATIVE, "text")
    generate(page, "a red circle")
    generate(page, "a blue circle")
    generate(page, "a red circle")
    page.fill(PROMPT, "something else")
    page.wait_for_function("darkroom.form.valuesOf('txt2img').prompt === 'something else'")
    page.click("#txt2img_prompt_history")
    rows = page.locator("#txt2img_prompt_recent button")
    expect(rows.locator("span")).to_have_text(["a red circle", "a blue circle"])
    expect(rows.first).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator(PROMPT)).to_have_value("a blue circle")
    expect(page.locator(NEGATIVE)).to_have_value("text")
    expect(page.locator("#txt2img_prompt_recent")).to_be_hidden()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(PROMPT)).to_have_value("something else")


def test_on_a_phone_both_lists_stay_within_the_window(serve: Serve, open_page: Open) -> None:
    page = open_page(serve(sharing=Sharing(share=True)), width=390, height=844)
    page.fill(PROMPT, "starter")
    expect(page.locator(f"{LIST} li").first).to_be_visible()
    box = page.locator(LIST).bounding_box()
    assert box and box["x"] >= 0 and box["x"] + box["width"] <= 390
    page.click("#txt2img_prompt_history")
    expect(page.locator("#txt2img_prompt_recent")).to_have_text("No prompt has been used yet.")
    box = page.locator("#txt2img_prompt_recent").bounding_box()
    assert box and box["x"] >= 0 and box["x"] + box["width"] <= 390
    assert page.evaluate("document.documentElement.scrollWidth") == 390


@pytest.fixture(scope="module")
def pure(browser: Browser) -> Iterator[Page]:
    """A page with little but the function."""
    page = browser.new_page()
    page.evaluate("""() => {
        const span = ({ text, end }) => [text.slice(0, end).lastIndexOf(",") + 1, end];
        window.darkroom = { suggest: { sources: [], LEAST: 2, span } };
    }""")
    page.add_script_tag(path=FOLDER / "names.js")
    yield page
    page.close()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a <|", ("lora", "", 2, 3)),
        ("a <lo|", ("lora", "lo", 2, 5)),
        ("<lora:in|", ("lora", "in", 0, 8)),
        ("<lora:in|k:0.8> b", ("lora", "in", 0, 14)),
        ("<LYCO:a b|", ("lora", "a b", 0, 9)),
        ("<lora:ink:0.|", ("", "<lora:ink:0.", 0, 12)),
        ("__co|", ("wildcard", "co", 0, 4)),
        ("x __a/b|c__, y", ("wildcard", "a/b", 2, 10)),
        ("__|", ("wildcard", "", 0, 2)),
        ("__colour__|", ("", "__colour__", 0, 10)),
        ("snake__case|", ("", "snake__case", 0, 11)),
        ("a, wat|er", ("", "wat", 2, 6)),
    ],
)
def test_what_is_typed_says_what_may_stand_there(pure: Page, text: str, expected: tuple[Any, ...]) -> None:
    end = text.index("|")
    told = pure.evaluate(
        "([text, end]) => darkroom.names.context({ text, start: end, end })", [text.replace("|", ""), end]
    )
    assert (told["kind"], told["typed"], told["from"], told["to"]) == expected
