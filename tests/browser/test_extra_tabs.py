"""The tabs under the prompts: cards that go into a prompt and out again, with what fits marked; keyboard and phone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests import shams
from tests.browser.conftest import Open, Serve
from tests.browser.helpers import GENERATE, NEGATIVE, PROMPT
from tests.engine.adapters.made import as_kohya, lora, write
from webui.ui.assets import FOLDER

pytestmark = pytest.mark.browser

TO_K = "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"
OF_TEXT = "text_model.encoder.layers.0.self_attn.q_proj"
LORA, CHECKPOINTS, WORDS = "#txt2img_lora", "#txt2img_checkpoints", "#txt2img_textual_inversion"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The data folder of a house with a card and a preview, folders, and a LoRA for another model."""
    models = tmp_path / "data" / "models"
    shams.write_flux_house(models)
    folder = models / "Lora"
    for seed, name in enumerate(("ink", "style/old/etching", "style/wash")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write(folder / f"{name}.safetensors", lora({OF_TEXT: (64, 64)}, as_kohya("lora_te"), seed=seed)[0])
    write(folder / "anna.safetensors", lora({TO_K: (96, 2048)}, as_kohya("lora_unet"))[0])
    card = {"activation text": "ink wash, paper", "negative text": "photo", "preferred weight": 0.8}
    (folder / "ink.json").write_text(json.dumps(card))
    Image.new("RGB", (64, 96), "red").save(folder / "ink.preview.png")
    return tmp_path / "data"


def card(place: str, name: str) -> str:
    return f"{place}_cards [role=listitem]:has(.dk-model-name:text-is('{name}'))"


def press(page: Page, place: str, name: str) -> None:
    page.click(f"{card(place, name)} .dk-model-choose")


def shown(page: Page, place: str, *names: str) -> None:
    expect(page.locator(f"{place}_cards .dk-model-name")).to_have_text(list(names))


def test_a_lora_goes_in_with_its_words_and_out_again(home: Path, serve: Serve, open_page: Open) -> None:
    page = open_page(serve())
    page.fill(PROMPT, "a cat")
    page.click(f"{LORA}-button")
    expect(page.locator("#txt2img_sampling")).to_be_hidden()
    expect(page.locator("#txt2img_results")).to_be_visible()
    shown(page, LORA, "anna", "etching", "ink", "starter-lime", "wash")
    press(page, LORA, "ink")
    expect(page.locator(PROMPT)).to_have_value("a cat <lora:ink:0.8> ink wash, paper")
    expect(page.locator(NEGATIVE)).to_have_value("photo")
    expect(page.locator(f"{card(LORA, 'ink')} .dk-model-choose")).to_have_attribute("aria-pressed", "true")
    press(page, LORA, "wash")
    expect(page.locator(PROMPT)).to_have_value("a cat <lora:ink:0.8> ink wash, paper <lora:wash:1>")
    press(page, LORA, "ink")
    expect(page.locator(PROMPT)).to_have_value("a cat <lora:wash:1>")
    expect(page.locator(NEGATIVE)).to_have_value("")
    page.fill(PROMPT, "a cat <lora:ETCHING:0.3:1>")
    expect(page.locator(f"{card(LORA, 'etching')} .dk-model-choose")).to_have_attribute("aria-pressed", "true")
    expect(page.locator(f"{card(LORA, 'wash')} .dk-model-choose")).to_have_attribute("aria-pressed", "false")
    # The card is edited where it stands, and what it prefers counts from then on.
    page.click(f"{card(LORA, 'wash')} .dk-act")
    page.fill("#dk_card_preferred_weight", "0.5")
    page.click("#dk_model button[type=submit]")
    expect(page.locator("#dk_model[open]")).to_have_count(0)
    expect(page.locator(f"{card(LORA, 'wash')} .dk-act")).to_be_focused()
    press(page, LORA, "wash")
    expect(page.locator(PROMPT)).to_have_value("a cat <lora:ETCHING:0.3:1> <lora:wash:0.5>")


def test_folders_search_order_and_what_does_not_fit(home: Path, serve: Serve, open_page: Open) -> None:
    page = open_page(serve())
    page.click(f"{LORA}-button")
    expect(page.locator(f"{card(LORA, 'anna')} .dk-model-unfit")).to_have_text("Not for this checkpoint")
    expect(page.locator(f"{LORA}_cards .dk-model-unfit")).to_have_count(1)
    page.click(f"{LORA}_tree [data-path=style]")
    shown(page, LORA, "etching", "wash")
    page.click(f"{LORA}_tree [data-path='style/old']")
    shown(page, LORA, "etching")
    page.click(f"{LORA}_tree [data-path='']")
    page.fill(f"{LORA}_extra_search", "paper")
    shown(page, LORA, "ink")
    page.fill(f"{LORA}_extra_search", "")
    page.click(f"{LORA}_extra_sort_dir")
    shown(page, LORA, "wash", "starter-lime", "ink", "etching", "anna")


def test_a_checkpoint_is_chosen_and_an_embedding_goes_where_one_writes(
    home: Path, serve: Serve, open_page: Open
) -> None:
    page = open_page(serve())
    page.click(f"{WORDS}-button")
    press(page, WORDS, "starter-plum")
    expect(page.locator(PROMPT)).to_have_value("starter-plum")
    page.fill(NEGATIVE, "text")
    expect(page.locator(f"{card(WORDS, 'starter-plum')} .dk-model-choose")).to_have_attribute("aria-pressed", "false")
    press(page, WORDS, "starter-plum")
    expect(page.locator(NEGATIVE)).to_have_value("text starter-plum")
    press(page, WORDS, "starter-plum")
    expect(page.locator(NEGATIVE)).to_have_value("text")
    page.click(f"{CHECKPOINTS}-button")
    press(page, CHECKPOINTS, "flux-dev")
    page.wait_for_function("darkroom.models.chosen().startsWith('flux-dev')")
    expect(page.locator(f"{card(CHECKPOINTS, 'flux-dev')} .dk-model-choose")).to_have_attribute("aria-pressed", "true")
    page.click(f"{WORDS}-button")
    expect(page.locator(f"{card(WORDS, 'starter-plum')} .dk-model-unfit")).to_be_visible()


def test_the_tabs_are_gone_through_by_keys(page: Page) -> None:
    page.focus("#txt2img_generation-button")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(f"{LORA}-button")).to_be_focused()
    expect(page.locator(f"{LORA}-button")).to_have_attribute("aria-selected", "true")
    expect(page.locator(LORA)).to_be_visible()
    page.keyboard.press("Home")
    expect(page.locator("#txt2img_sampling")).to_be_visible()
    assert page.locator("#txt2img_extra_tabs [tabindex='0']").count() == 1


def test_on_a_phone_cards_take_the_width_and_generate_shows_the_picture(
    home: Path, serve: Serve, open_page: Open
) -> None:
    page = open_page(serve(), width=390, height=844, has_touch=True)
    page.tap(f"{LORA}-button")
    shown(page, LORA, "anna", "etching", "ink", "starter-lime", "wash")
    expect(page.locator("#txt2img_results")).to_be_hidden()
    expect(page.locator("#txt2img_settings")).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    small = page.locator(
        f"{LORA} button:visible, {LORA} input, {LORA} select, #txt2img_extra_tabs button"
    ).evaluate_all(
        "nodes => nodes.filter((node) => node.getBoundingClientRect().height < 39).map((node) => node.outerHTML)"
    )
    assert small == []
    page.tap(f"{card(LORA, 'starter-lime')} .dk-model-choose")
    page.wait_for_function("darkroom.form.valuesOf('txt2img').prompt === '<lora:starter-lime:1>'")
    page.tap(GENERATE)
    expect(page.locator("#txt2img_results")).to_be_visible()


@pytest.fixture(scope="module")
def pure(browser: Browser) -> Iterator[Page]:
    """A page with nothing but the functions."""
    page = browser.new_page()
    page.evaluate("window.darkroom = {}")
    page.add_script_tag(path=FOLDER / "insertion.js")
    yield page
    page.close()


INK: dict[str, Any] = {"kind": "lora", "name": "ink", "weight": 0.8, "words": "ink wash"}
BAD: dict[str, Any] = {"kind": "embedding", "name": "bad-hands"}


@pytest.mark.parametrize(
    ("before", "asked", "after"),
    [
        ("", INK, "<lora:ink:0.8> ink wash"),
        ("a cat, ", INK, "a cat, <lora:ink:0.8> ink wash"),
        ("a <lora:ink:0.8> ink wash b", INK, "a b"),
        ("a <lora:ink:0.3:1> wash", INK, "a wash"),
        ("<lora:ink:1>, a <LyCo:INK:1>", INK, "a"),
        ("<lora:ink2:1>", INK, "<lora:ink2:1> <lora:ink:0.8> ink wash"),
        ("", BAD, "bad-hands"),
        ("x, Bad-Hands, y", BAD, "x, y"),
        ("bad-hands, y", BAD, "y"),
        ("x, bad-hands", BAD, "x,"),
        ("bad-hands-2", BAD, "bad-hands-2 bad-hands"),
        ("(bad-hands:1.2)", BAD, "(:1.2)"),
    ],
)
def test_what_was_put_in_is_taken_out(pure: Page, before: str, asked: dict[str, Any], after: str) -> None:
    assert pure.evaluate("([text, asked]) => darkroom.insertion.toggle(text, asked)", [before, asked]) == after
