"""What a checkpoint has decides what the page shows: its controls, its samplers, the parts that fit it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests import shams
from tests.browser.conftest import Open, Serve, ready
from tests.browser.helpers import generate, number, tab

pytestmark = pytest.mark.browser

VAE = "#setting_sd_vae"
CHECKPOINT = "#setting_sd_model_checkpoint"


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """The data folder of a house with Flux.1 dev and schnell beside the starter."""
    shams.write_flux_house(tmp_path / "data" / "models")
    return tmp_path / "data"


def choose(page: Page, name: str) -> None:
    """Choose the checkpoint of this name by hand."""
    page.click(f"{CHECKPOINT} input")
    page.click(f"{CHECKPOINT} [role=option]:has-text('{name}')")
    page.wait_for_function(f"darkroom.models.chosen().startsWith('{name}')")


def pick(page: Page, name: str) -> None:
    """Choose a VAE or text encoder by hand."""
    if not page.locator(f"{VAE} [role=option]").first.is_visible():
        page.click(f"{VAE} input")
    page.click(f"{VAE} [role=option]:has-text('{name}')")


def listed(page: Page, field: str) -> Any:
    """What the open list of this field offers."""
    return page.locator(f"{field} [role=option]").evaluate_all(
        "rows => rows.map((row) => row.getAttribute('aria-label'))"
    )


def parts(page: Page) -> Any:
    return page.evaluate("darkroom.modules.request()")


def sent(page: Page) -> Any:
    """The request of the newest job."""
    return page.evaluate("[...darkroom.jobs.all.values()].sort((a, b) => b.created - a.created)[0].request")


def top(page: Page, id_: str) -> float:
    return float(page.evaluate(f"document.getElementById('{id_}').getBoundingClientRect().top"))


def test_controls_that_a_checkpoint_does_not_know_are_away(house: Path, serve: Serve, open_page: Open) -> None:
    page = open_page(serve())
    before = top(page, "txt2img_results"), top(page, "txt2img_steps")
    expect(page.locator("#txt2img_distilled_cfg_scale")).to_be_hidden()
    page.fill("#txt2img_neg_prompt textarea", "dogs")
    choose(page, "flux-dev")
    expect(page.locator("#txt2img_distilled_cfg_scale")).to_be_visible()
    expect(page.locator("#txt2img_cfg_scale")).to_be_visible()
    expect(page.locator("#txt2img_sampling input")).to_have_value("Euler")
    assert (number(page, "distilled_cfg_scale"), number(page, "width")) == (3.5, 1024)
    page.click("#txt2img_sampling input")
    assert {"Euler", "Heun", "DPM++ 2M"} <= set(listed(page, "#txt2img_sampling"))
    page.keyboard.press("Escape")
    choose(page, "flux-schnell")
    for hidden in ("#txt2img_distilled_cfg_scale", "#txt2img_cfg_scale", "#txt2img_neg_prompt"):
        expect(page.locator(hidden)).to_be_hidden()
    assert number(page, "steps") == 4
    assert (top(page, "txt2img_results"), top(page, "txt2img_steps")) == before, "nothing below moves"
    generate(page, "a red circle")
    made = sent(page)
    assert (made["cfg_scale"], made["negative_prompt"], made["abilities"]) == (1.0, "", "refiner,noise,hires,precision")
    assert made["vae"] == "ae.safetensors" and made["vae_hash"]
    choose(page, "darkroom-starter")
    expect(page.locator("#txt2img_neg_prompt textarea")).to_have_value("dogs")
    expect(page.locator("#txt2img_cfg_scale")).to_be_visible()
    page.click("#txt2img_sampling input")
    assert page.locator("#txt2img_sampling [role=option]").count() > 5


def test_the_list_of_checkpoints_says_what_they_are_and_lack(house: Path, serve: Serve, open_page: Open) -> None:
    shams.write(
        house / "models" / "Stable-diffusion" / "lonely.safetensors",
        ("", {**shams.flux(guidance=True), "txt_in.weight": (128, 16)}),
    )
    page = open_page(serve())
    page.click(f"{CHECKPOINT} input")
    row = page.locator(f"{CHECKPOINT} [role=option]:has-text('flux-schnell')")
    expect(row).to_have_attribute("data-about", "Flux.1 schnell")
    lonely = page.locator(f"{CHECKPOINT} [role=option]:has-text('lonely')")
    expect(lonely).to_have_attribute("data-about", "Flux.1 dev · lacks text_encoder_2")


def test_a_refiner_is_one_that_can_go_on_and_leaves_with_its_kind(house: Path, serve: Serve, open_page: Open) -> None:
    page = open_page(serve())
    refiner = page.locator("#txt2img_checkpoint input")
    expect(refiner).to_be_hidden()
    choose(page, "flux-dev")
    page.click("#txt2img_enable > button")
    expect(refiner).to_have_value("None")
    refiner.click()
    assert [name.split(".")[0] for name in listed(page, "#txt2img_checkpoint")] == ["None", "flux-schnell"]
    page.click("#txt2img_checkpoint [role=option]:has-text('flux-schnell')")
    generate(page, "a red circle")
    made = sent(page)
    assert made["refiner_checkpoint"].startswith("flux-schnell") and made["refiner_hash"]
    assert made["refiner_switch_at"] == 0.8
    page.click("#txt2img_enable > button")
    page.evaluate("darkroom.form.fill('txt2img', { refiner_checkpoint: 'None' })")
    page.evaluate(
        "(text) => darkroom.form.useInfotext('txt2img', text)", page.evaluate("darkroom.results.selected().infotext")
    )
    expect(refiner).to_have_value(made["refiner_checkpoint"])
    choose(page, "darkroom-starter")
    expect(refiner).to_have_value("None")


def test_a_vae_is_picked_sent_kept_and_left_where_it_does_not_fit(house: Path, serve: Serve, open_page: Open) -> None:
    server = serve()
    page = open_page(server)
    expect(page.locator(f"{VAE} .token")).to_have_text(["Automatic"])
    choose(page, "flux-dev")
    page.click(f"{VAE} input")
    assert listed(page, VAE) == [
        "Automatic",
        "None",
        "ae.safetensors",
        "flux-new.safetensors",
        "clip_l.safetensors",
        "t5xxl.safetensors",
    ]
    pick(page, "ae.safetensors")
    pick(page, "t5xxl")
    pick(page, "flux-new")
    assert parts(page) == {"vae": "flux-new.safetensors", "text_encoders": "t5xxl.safetensors"}, "one VAE at a time"
    generate(page, "a red circle")
    assert sent(page)["vae"] == "flux-new.safetensors"
    assert sent(page)["text_encoders"] == "clip_l.safetensors, t5xxl.safetensors"
    assert server.house is not None
    page.reload()
    ready(page)
    expect(page.locator(f"{VAE} .token")).to_have_text(["flux-new.safetensors", "t5xxl.safetensors"])
    saved = json.loads((house / "data" / "settings.json").read_text())
    assert (saved["sd_vae"], saved["sd_text_encoders"]) == ("flux-new.safetensors", "t5xxl.safetensors")
    choose(page, "darkroom-starter")
    expect(page.locator(f"{VAE} .token")).to_have_text(["Automatic"])
    choose(page, "flux-dev")
    pick(page, "flux-new")
    pick(page, "Automatic")
    expect(page.locator(f"{VAE} .token")).to_have_text(["Automatic"])


def test_the_settings_of_a_picture_bring_its_vae_back(house: Path, serve: Serve, open_page: Open) -> None:
    page = open_page(serve())
    choose(page, "flux-dev")
    text = (
        "a cat\nSteps: 7, Sampler: Heun, Distilled CFG Scale: 2.5, VAE: flux-new.safetensors, Module 1: clip_l, Seed: 3"
    )
    page.fill("#txt2img_prompt textarea", text)
    page.click("#paste")
    expect(page.locator(f"{VAE} .token")).to_have_text(["flux-new.safetensors", "clip_l.safetensors"])
    assert (number(page, "steps"), number(page, "distilled_cfg_scale")) == (7, 2.5)
    page.fill("#txt2img_prompt textarea", "a cat\nSteps: 8, Sampler: Heun, Seed: 3")
    page.click("#paste")
    expect(page.locator(f"{VAE} .token")).to_have_text(["Automatic"])


def test_a_refused_vae_is_said_at_its_field(house: Path, serve: Serve, open_page: Open) -> None:
    page = open_page(serve())
    choose(page, "flux-dev")
    pick(page, "None")
    page.click("#txt2img_generate")
    expect(page.locator(f"{VAE} .dk-field-error")).to_contain_text("no VAE inside this checkpoint")


def test_pinned_settings_stand_in_the_head_and_are_saved_there(tmp_path: Path, serve: Serve, open_page: Open) -> None:
    settings = tmp_path / "data" / "data" / "settings.json"
    settings.parent.mkdir(parents=True)
    settings.write_text(
        json.dumps({"quicksettings_list": ["live_previews_enable", "nothing"], "live_previews_enable": False})
    )
    page = open_page(serve())
    box = page.locator("#quicksettings #setting_live_previews_enable input")
    expect(box).not_to_be_checked()
    expect(page.locator(f"#quicksettings {CHECKPOINT}")).to_be_visible()
    assert page.locator(VAE).count() == 0
    generate(page, "a red circle")
    assert sent(page)["vae"] == "None", "a page without the picker leaves it to the settings"
    with page.expect_response(lambda answer: answer.request.method == "PATCH") as patched:
        box.check()
    assert patched.value.ok
    assert json.loads(settings.read_text())["live_previews_enable"] is True
    tab(page, "settings")
    expect(page.locator("#row_sd_vae")).to_be_visible()
    assert page.locator("#row_live_previews_enable").count() == 0
    pins = page.locator("#row_quicksettings_list label")
    expect(pins.filter(has_text="VAE / Text Encoder").locator("input")).not_to_be_checked()
    expect(pins.filter(has_text="Show live previews").locator("input")).to_be_checked()


def test_where_the_chosen_one_is_gone_the_page_says_which_is_taken(house: Path, serve: Serve, open_page: Open) -> None:
    folder = house / "models" / "Stable-diffusion"
    page = open_page(serve())
    choose(page, "flux-schnell")
    (folder / "flux-schnell.safetensors").rename(folder / "again.safetensors")
    page.click("#refresh_sd_model_checkpoint")
    # The same weights under another name are the same model.
    page.wait_for_function("darkroom.models.chosen().startsWith('again.safetensors')")
    expect(page.locator("#dk_notices")).not_to_contain_text("not in the folders")
    (folder / "again.safetensors").unlink()
    page.click("#refresh_sd_model_checkpoint")
    page.wait_for_function("darkroom.models.chosen().startsWith('darkroom-starter')")
    said = page.locator("#dk_notices [data-mood=warn]")
    expect(said).to_contain_text("again.safetensors [")
    expect(said).to_contain_text("is not in the folders of models any more. Chosen now: darkroom-starter [")
    expect(said).to_contain_text("the first that works.")
    # One that is broken says that; nothing is said while the chosen one works.
    choose(page, "flux-dev")
    (folder / "flux-dev.safetensors").write_bytes(b"\x10")
    page.click("#refresh_sd_model_checkpoint")
    expect(page.locator("#dk_notices [data-mood=warn]").last).to_contain_text(
        "flux-dev.safetensors cannot be used any more."
    )
    expect(page.locator("#dk_notices [data-mood=warn]")).to_have_count(2)
    page.click("#refresh_sd_model_checkpoint")
    expect(page.locator("#dk_notices [data-mood=warn]")).to_have_count(2)


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_a_long_name_ends_before_the_arrow_of_the_picker(
    house: Path, serve: Serve, open_page: Open, scheme: str
) -> None:
    name = "a_name_that_people_give_to_what_they_have_trained_for_long_v12_final"
    folder = house / "models" / "Stable-diffusion"
    (folder / "flux-dev.safetensors").rename(folder / f"{name}.safetensors")
    page = open_page(serve(), 390, 844, scheme)
    choose(page, name)
    field = page.locator(f"{CHECKPOINT} input")
    style = field.evaluate(
        "node => [getComputedStyle(node).textOverflow, parseFloat(getComputedStyle(node).paddingRight)]"
    )
    written, arrow = field.bounding_box(), page.locator(f"{CHECKPOINT} .icon-wrap").bounding_box()
    assert written and arrow
    assert field.evaluate("node => node.scrollWidth > node.clientWidth"), "it has no room"
    assert style[0] == "ellipsis" and written["x"] + written["width"] - style[1] <= arrow["x"]
