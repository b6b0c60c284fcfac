"""The Models tab: search, order, folders, a card that is read and changed, a model that is chosen; what guests see."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests import shams
from tests.browser.conftest import Open, Serve
from tests.browser.helpers import PROMPT, generate, number, tab
from tests.conftest import make_sham
from webui.web.identity import Sharing

pytestmark = pytest.mark.browser

DIALOG = "#dk_model[open]"
NAMES = "#models_grid .dk-model-name"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The data folder of a house with checkpoints in folders, one with a card and a preview, and one that is broken."""
    models = tmp_path / "data" / "models"
    shams.write_flux_house(models)
    folder = models / "Stable-diffusion"
    for place, name in enumerate(("art/ink", "art/old/water", "photo/night")):
        shams.write(folder / f"{name}.safetensors", ("", shams.flux(guidance=True)), fill=float(place + 2))
    card = {"description": "Lines & <b>washes</b>", "activation text": "ink wash, paper", "notes": "mine", "odd": 1}
    (folder / "art" / "ink.json").write_text(json.dumps(card))
    Image.new("RGB", (64, 96), "red").save(folder / "art" / "ink.preview.png")
    (folder / "broken.safetensors").write_bytes(b"\x10")
    return tmp_path / "data"


@pytest.fixture
def page(home: Path, serve: Serve, open_page: Open) -> Page:
    """A page on that house with the tab open."""
    made = open_page(serve())
    tab(made, "models")
    expect(made.locator(NAMES).first).to_be_visible()
    return made


def shown(page: Page, *names: str) -> None:
    """Wait until the cards are these, in order."""
    expect(page.locator(NAMES)).to_have_text(list(names))


def card(page: Page, name: str) -> str:
    return f"#models_grid [role=listitem]:has(.dk-model-name:text-is('{name}'))"


def look_again(page: Page) -> None:
    """Have the folders looked into now; by itself that comes a while later."""
    with page.expect_response(lambda answer: answer.url.endswith("/checkpoints/refresh")):
        page.click("#refresh_sd_model_checkpoint")


def test_search_sort_folder_edit_choose(page: Page, home: Path) -> None:
    file = home / "models" / "Stable-diffusion" / "art" / "ink.json"
    shown(page, "broken", "darkroom-starter", "flux-dev", "flux-schnell", "ink", "night", "water")
    page.fill("#models_search", "washes")
    shown(page, "ink")
    page.fill("#models_search", "nothing like it")
    expect(page.locator("#models_empty")).to_contain_text("No model has these words.")
    page.click("#models_empty button")
    shown(page, "broken", "darkroom-starter", "flux-dev", "flux-schnell", "ink", "night", "water")
    page.select_option("#models_sort", "size")
    expect(page.locator(NAMES).first).to_have_text("darkroom-starter")
    page.click("#models_order")
    expect(page.locator(NAMES).first).to_have_text("broken")
    page.select_option("#models_sort", "name")
    page.click("#models_folders [data-path=art]")
    shown(page, "ink", "water")
    page.click("#models_folders [data-path='art/old']")
    shown(page, "water")
    page.click("#models_folders [data-path=art]")
    page.click(f"{card(page, 'ink')} .dk-act")
    expect(page.locator(f"{DIALOG} h2")).to_have_text("ink")
    expect(page.locator("#dk_card_description")).to_have_value("Lines & <b>washes</b>")
    page.fill("#dk_card_notes", "ours")
    page.select_option("#dk_card_vae", "flux-new.safetensors")
    page.click(f"{DIALOG} button[type=submit]")
    expect(page.locator(DIALOG)).to_have_count(0)
    expect(page.locator("#dk_notices")).to_contain_text("The card of ink is saved")
    saved = json.loads(file.read_text())
    assert (saved["notes"], saved["vae"], saved["odd"]) == ("ours", "flux-new.safetensors", 1)
    page.click(f"{card(page, 'ink')} .dk-model-choose")
    expect(page.locator("#setting_sd_model_checkpoint input")).to_have_value(page.evaluate("darkroom.models.chosen()"))
    assert page.evaluate("darkroom.models.chosen()").startswith("art/ink.safetensors")
    expect(page.locator(f"{card(page, 'ink')} .dk-model-choose")).to_have_attribute("aria-pressed", "true")
    tab(page, "txt2img")
    generate(page, "a red circle")
    request = page.evaluate("[...darkroom.jobs.all.values()][0].request")
    assert request["checkpoint"].startswith("art/ink") and request["vae"] == "flux-new.safetensors"


def test_trigger_words_go_into_the_prompt_and_the_newest_picture_becomes_the_preview(page: Page, home: Path) -> None:
    folder = home / "models" / "Stable-diffusion"
    page.click(f"{card(page, 'ink')} .dk-act")
    page.click(f"{DIALOG} .dk-word >> text=paper")
    page.click(f"{DIALOG} .dk-word >> text=paper")
    expect(page.locator(f"{DIALOG} .dk-told")).to_have_text("Already in the prompt: paper")
    page.click(f"{DIALOG} button:has-text('newest picture')")
    expect(page.locator(f"{DIALOG} .dk-told")).to_contain_text("There is no picture yet")
    page.keyboard.press("Escape")
    expect(page.locator(f"{card(page, 'ink')} .dk-act")).to_be_focused()
    tab(page, "txt2img")
    expect(page.locator(PROMPT)).to_have_value("paper")
    generate(page, "a red circle")
    tab(page, "models")
    before = page.locator(f"{card(page, 'ink')} img").get_attribute("src")
    page.click(f"{card(page, 'ink')} .dk-act")
    page.click(f"{DIALOG} button:has-text('newest picture')")
    expect(page.locator(f"{DIALOG} .dk-told")).to_contain_text("the old one is in the bin")
    page.keyboard.press("Escape")
    expect(page.locator(f"{card(page, 'ink')} img")).not_to_have_attribute("src", str(before))
    assert Image.open(folder / "art" / "ink.preview.png").size != (64, 96)


def test_a_preferred_clip_skip_comes_into_the_form_of_the_chosen_one(home: Path, serve: Serve, open_page: Open) -> None:
    make_sham(home / "models" / "Stable-diffusion" / "sham")
    page = open_page(serve())
    tab(page, "models")
    page.click(f"{card(page, 'sham')} .dk-model-choose")
    page.click(f"{card(page, 'sham')} .dk-act")
    page.fill("#dk_card_clip_skip", "2")
    page.click(f"{DIALOG} button[type=submit]")
    page.wait_for_function("darkroom.form.valuesOf('txt2img').clip_skip === 2")
    tab(page, "txt2img")
    assert number(page, "clip_skip") == 2
    generate(page, "a red circle")
    assert page.evaluate("[...darkroom.jobs.all.values()][0].request.clip_skip") == 2


def test_what_cannot_be_used_or_saved_says_why(page: Page, home: Path) -> None:
    broken = page.locator(card(page, "broken"))
    expect(broken.locator(".dk-model-problem")).to_contain_text("Cannot be used.")
    broken.locator(".dk-model-choose").click()
    expect(page.locator(f"{DIALOG} .dk-model-problem")).to_contain_text("broken.safetensors is cut off")
    (home / "models" / "Stable-diffusion" / "broken.json").write_text("{")
    page.fill("#dk_card_notes", "x")
    page.click(f"{DIALOG} button[type=submit]")
    expect(page.locator(f"{DIALOG} .dk-field-error")).to_contain_text("broken.json is no JSON")
    expect(page.locator("#dk_card_notes")).to_have_value("x")


def test_other_kinds_are_chosen_where_they_fit_and_an_empty_one_says_what_to_do(page: Page, home: Path) -> None:
    page.select_option("#models_kind", "vae")
    shown(page, "ae", "flux-new", "sd-mse")
    page.click(f"{card(page, 'sd-mse')} .dk-model-choose")
    expect(page.locator("#dk_notices")).to_contain_text("does not fit")
    expect(page.locator("#setting_sd_vae .token")).to_have_text(["Automatic"])
    page.click(f"{card(page, 'flux-new')} .dk-model-choose")
    expect(page.locator("#setting_sd_vae .token")).to_have_text(["flux-new.safetensors"])
    shutil.rmtree(home / "models" / "text_encoder")
    look_again(page)
    page.select_option("#models_kind", "text_encoder")
    expect(page.locator("#models_empty")).to_contain_text("Put files into models/text_encoder")


def test_a_guest_reads_and_chooses_and_changes_nothing(home: Path, serve: Serve, open_page: Open) -> None:
    page = open_page(serve(sharing=Sharing(share=True)), width=390, height=844)
    page.evaluate("document.getElementById('tab_models-button').click()")
    shown(page, "darkroom-starter", "flux-dev", "flux-schnell", "ink", "night", "water")
    page.click(f"{card(page, 'ink')} .dk-act")
    expect(page.locator(f"{DIALOG} .dk-prompt-text").first).to_have_text("Lines & <b>washes</b>")
    assert page.locator(f"{DIALOG} form, {DIALOG} button:has-text('newest')").count() == 0
    assert "mine" not in page.inner_text(DIALOG) and str(home) not in page.inner_text(DIALOG)
    page.keyboard.press("Escape")
    page.click(f"{card(page, 'ink')} .dk-model-choose")
    page.wait_for_function("darkroom.models.chosen().startsWith('art/ink')")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    small = page.locator("#models_area button:visible, #models_area select, #models_area input").evaluate_all(
        "nodes => nodes.filter((node) => node.getBoundingClientRect().height < 39).map((node) => node.outerHTML)"
    )
    assert small == []


def test_a_lora_goes_into_the_prompt_and_out_again(home: Path, serve: Serve, open_page: Open) -> None:
    folder = home / "models" / "Lora"
    shams.write(folder / "wash.safetensors", ("", shams.lora()))
    shams.write(folder / "old" / "grain.safetensors", ("", shams.lora(2048)))
    shams.write(folder / "new" / "grain.safetensors", ("", shams.lora(2048)))
    (folder / "wash.json").write_text(json.dumps({"preferred weight": 0.7}))
    (folder / "torn.safetensors").write_bytes(b"\x10")
    page = open_page(serve())
    page.fill(PROMPT, "a house")
    tab(page, "models")
    page.select_option("#models_kind", "lora")
    shown(page, "grain", "grain", "starter-lime", "torn", "wash")
    wash, torn = page.locator(card(page, "wash")), page.locator(card(page, "torn"))
    expect(wash).to_contain_text("Stable Diffusion 1")
    expect(torn.locator(".dk-model-problem")).to_contain_text("Cannot be used. torn.safetensors is cut off")
    wash.locator(".dk-model-choose").click()
    expect(page.locator("#dk_notices")).to_contain_text("In the prompt now: <lora:wash:0.7>")
    expect(wash.locator(".dk-model-choose")).to_have_attribute("aria-pressed", "true")
    # Of two that are called so, the one in its folder.
    grains = page.locator(f"{card(page, 'grain')} .dk-model-place")
    expect(grains).to_have_text(["new", "old"])
    grains.first.click()
    tab(page, "txt2img")
    expect(page.locator(PROMPT)).to_have_value("a house <lora:wash:0.7> <lora:new/grain:1>")
    tab(page, "models")
    wash.locator(".dk-model-choose").click()
    expect(page.locator("#dk_notices")).to_contain_text("Out of the prompt: wash")
    expect(wash.locator(".dk-model-choose")).to_have_attribute("aria-pressed", "false")
    tab(page, "txt2img")
    expect(page.locator(PROMPT)).to_have_value("a house <lora:new/grain:1>")
    tab(page, "models")
    wash.locator(".dk-act").click()
    expect(page.locator(f"{DIALOG} h2")).to_have_text("wash")
    expect(page.locator(DIALOG)).not_to_contain_text("not used yet")


def test_namesakes_show_their_folders_and_hidden_files_are_told(home: Path, serve: Serve, open_page: Open) -> None:
    folder = home / "models" / "Stable-diffusion"
    shams.write(folder / "photo" / "ink.safetensors", ("", shams.flux(guidance=True)), fill=9.0)
    shams.write(folder / "ink.safetensors", ("", shams.flux(guidance=True)), fill=7.0)
    other = shams.write(home / "models" / "unet" / "art" / "ink.safetensors", ("", shams.flux(guidance=True)), fill=8.0)
    page = open_page(serve())
    tab(page, "models")
    page.fill("#models_search", "ink.safetensors")
    shown(page, "ink", "ink", "ink")
    expect(page.locator("#models_grid .dk-model-place")).to_have_text(["In no folder", "art", "photo"])
    first = page.locator("#models_grid [role=listitem]").nth(1)
    expect(first).to_contain_text("Another file of this name is not used")
    first.locator(".dk-act").click()
    expect(page.locator(DIALOG)).to_contain_text(f"has the same name and comes first: {other}")
    page.keyboard.press("Escape")
    page.click("#models_folders [data-path=photo]")
    shown(page, "ink")
    expect(page.locator("#models_grid .dk-model-place")).to_have_count(0)


def test_the_card_says_of_which_files_pictures_are_made_and_why(page: Page, home: Path) -> None:
    page.click(f"{card(page, 'flux-dev')} .dk-act")
    values = page.locator(f"{DIALOG} .dk-values")
    expect(values).to_contain_text("from ae.safetensors, fp16, fits best")
    expect(values.locator("dt:text-is('Made of')")).to_have_count(1)
    expect(values.locator("dt:text-is('Size') + dd")).to_contain_text("iB with the files it takes from elsewhere")
    page.select_option("#dk_card_vae", "flux-new.safetensors")
    page.click(f"{DIALOG} button[type=submit]")
    expect(page.locator(DIALOG)).to_have_count(0)
    page.click(f"{card(page, 'flux-dev')} .dk-act")
    expect(page.locator(f"{DIALOG} .dk-values")).to_contain_text(
        "from flux-new.safetensors, fp16, preferred by its card"
    )
    page.keyboard.press("Escape")
    (home / "models" / "VAE" / "flux-new.safetensors").unlink()
    look_again(page)
    page.click(f"{card(page, 'flux-dev')} .dk-act")
    expect(page.locator(f"{DIALOG} .dk-model-problem")).to_contain_text(
        "The preferred VAE 'flux-new.safetensors' is not used:"
    )
    page.keyboard.press("Escape")
    page.click(f"{card(page, 'darkroom-starter')} .dk-act")
    expect(values.locator("dt:text-is('Size') + dd")).to_have_text(re.compile(r"^[\d.]+ [KMG]iB$"))


@pytest.mark.parametrize("width", [1440, 390])
def test_a_card_that_cannot_be_used_is_marked_and_says_why_whole(
    home: Path, serve: Serve, open_page: Open, width: int
) -> None:
    name = "a_name_that_people_give_to_what_they_have_trained_for_long_v12_final"
    (home / "models" / "Stable-diffusion" / f"{name}.safetensors").write_bytes(b"\x10")
    page = open_page(serve(), width)
    tab(page, "models")
    bad, good = page.locator(card(page, name)), page.locator(card(page, "flux-dev"))
    reason = bad.locator(".dk-model-problem")
    expect(reason).to_contain_text("is cut off")
    whole = page.evaluate("darkroom.api('GET', 'models?search=trained_for_long').then((a) => a.models[0].problem)")
    expect(reason).to_have_text(f"Cannot be used. {whole}")
    assert reason.evaluate("node => node.scrollHeight <= node.clientHeight"), "nothing of it is cut"
    drawn = "node => getComputedStyle(node.querySelector('.dk-model-picture'), '::after').backgroundImage"
    assert "gradient" in bad.evaluate(drawn) and good.evaluate(drawn) == "none"
