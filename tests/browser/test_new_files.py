"""Files that come, go and change while the page is open: it shows them by itself, and leaves alone what is chosen."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, Route, expect

from tests import shams
from tests.browser.conftest import Open, Serve
from tests.browser.helpers import PROMPT, tab

pytestmark = pytest.mark.browser

CHECKPOINT = "#setting_sd_model_checkpoint"
OFFERED = f"{CHECKPOINT} [role=option]"
NAMES = "#models_grid .dk-model-name"
MODEL = shams.flux(guidance=True)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """The models folder of a house with two Flux.1 beside the starter."""
    shams.write_flux_house(tmp_path / "data" / "models")
    return tmp_path / "data" / "models"


def card(name: str) -> str:
    return f"#models_grid [role=listitem]:has(.dk-model-name:text-is('{name}'))"


def requests_of(page: Page) -> list[str]:
    """What the page asks the server for from now on."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    return asked


def test_a_new_checkpoint_comes_into_an_open_tab_and_an_open_picker(
    models: Path, serve: Serve, open_page: Open
) -> None:
    page = open_page(serve())
    before = page.evaluate("darkroom.models.chosen()")
    page.fill(PROMPT, "a red circle")
    tab(page, "models")
    expect(page.locator(NAMES)).to_have_text(["darkroom-starter", "flux-dev", "flux-schnell"])
    page.locator(f"{card('flux-schnell')} .dk-act").focus()
    page.evaluate("document.querySelector('#models_grid').firstElementChild.dataset.mine = 'yes'")
    shams.write(models / "Stable-diffusion" / "art" / "fresh.safetensors", ("", MODEL), fill=5.0)
    expect(page.locator(NAMES)).to_have_text(["darkroom-starter", "flux-dev", "flux-schnell", "fresh"])
    expect(page.locator("#models_folders [data-path=art]")).to_be_visible()
    expect(page.locator(f"{card('flux-schnell')} .dk-act")).to_be_focused()
    assert page.get_attribute(card("darkroom-starter"), "data-mine") == "yes", "cards that are the same stay"
    page.click(f"{CHECKPOINT} input")
    expect(page.locator(OFFERED).filter(has_text="fresh")).to_have_count(1)
    shams.write(models / "Stable-diffusion" / "second.safetensors", ("", MODEL), fill=6.0)
    expect(page.locator(OFFERED).filter(has_text="second")).to_have_count(1)
    page.click(f"{OFFERED}:has-text('second')")
    page.wait_for_function("darkroom.models.chosen().startsWith('second')")
    assert before.startswith("darkroom-starter")
    tab(page, "txt2img")
    expect(page.locator(PROMPT)).to_have_value("a red circle")


def test_what_is_chosen_typed_and_open_stays_when_files_come(models: Path, serve: Serve, open_page: Open) -> None:
    page = open_page(serve())
    page.click(f"{CHECKPOINT} input")
    page.click(f"{OFFERED}:has-text('flux-dev')")
    page.wait_for_function("darkroom.models.chosen().startsWith('flux-dev')")
    page.click("#setting_sd_vae input")
    page.click("#setting_sd_vae [role=option]:has-text('flux-new')")
    page.fill("#txt2img_steps input[type=number]", "7")
    page.fill(PROMPT, "a red")
    page.locator(PROMPT).press("End")
    chosen = page.evaluate("darkroom.models.chosen()")
    for number, folder in enumerate(("Stable-diffusion", "VAE")):
        with page.expect_response(lambda answer: answer.url.endswith("/checkpoints")):
            network = MODEL if folder == "Stable-diffusion" else shams.vae(16)
            shams.write(models / folder / f"new{number}.safetensors", ("", network), fill=5.0)
            page.keyboard.type(" circle"[4 * number : 4 * number + 4])
    page.click("#setting_sd_vae input")
    expect(page.locator("#setting_sd_vae [role=option]").filter(has_text="new1")).to_have_count(1)
    expect(page.locator(PROMPT)).to_have_value("a red circle")
    expect(page.locator(f"{CHECKPOINT} input")).to_have_value(chosen)
    expect(page.locator("#setting_sd_vae .token")).to_have_text(["flux-new.safetensors"])
    assert page.input_value("#txt2img_steps input[type=number]") == "7"
    expect(page.locator("#dk_notices > *")).to_have_count(0)


def test_cards_of_loras_and_embeddings_and_their_previews_come_too(models: Path, serve: Serve, open_page: Open) -> None:
    for folder in ("Lora", "embeddings"):
        (models / folder).mkdir(parents=True)
    page = open_page(serve())
    page.click("#txt2img_extra_tabs [data-tab=lora]")
    expect(page.locator("#txt2img_lora_cards .dk-model-name")).to_have_text(["starter-lime"])
    shams.write(models / "Lora" / "wash.safetensors", ("", shams.lora()))
    wash = page.locator("#txt2img_lora_cards [role=listitem]:has-text('wash')")
    expect(wash).to_have_count(1)
    expect(wash.locator("img")).to_have_count(0)
    Image.new("RGB", (64, 96), "red").save(models / "Lora" / "wash.preview.png")
    expect(wash.locator("img")).to_have_count(1)
    tab(page, "models")
    page.select_option("#models_kind", "embedding")
    expect(page.locator(NAMES)).to_have_text(["starter-plum"])
    shams.write(models / "embeddings" / "bad_hands.safetensors", ("", shams.embedding()))
    expect(page.locator(NAMES)).to_have_text(["bad_hands", "starter-plum"])
    (models / "embeddings" / "bad_hands.safetensors").unlink()
    expect(page.locator(NAMES)).to_have_text(["starter-plum"])


def test_the_chosen_one_comes_back_with_its_file(models: Path, serve: Serve, open_page: Open) -> None:
    page = open_page(serve())
    file = models / "Stable-diffusion" / "flux-dev.safetensors"
    page.click(f"{CHECKPOINT} input")
    page.click(f"{OFFERED}:has-text('flux-dev')")
    page.wait_for_function("darkroom.models.chosen().startsWith('flux-dev')")
    whole = file.read_bytes()
    # As it is while another file is being copied over it.
    file.write_bytes(whole[:40])
    page.wait_for_function("darkroom.models.chosen().startsWith('darkroom-starter')")
    expect(page.locator("#dk_notices [data-mood=warn]")).to_contain_text(
        "flux-dev.safetensors cannot be used any more."
    )
    file.write_bytes(whole)
    page.wait_for_function("darkroom.models.chosen().startsWith('flux-dev')")
    expect(page.locator("#dk_notices [data-mood=warn]").last).to_contain_text("is chosen again")
    file.rename(file.with_name("kept.away"))
    page.wait_for_function("!darkroom.models.chosen().startsWith('flux-dev')")
    page.click(f"{CHECKPOINT} input")
    page.click(f"{OFFERED}:has-text('flux-schnell')")
    page.wait_for_function("darkroom.models.chosen().startsWith('flux-schnell')")
    file.with_name("kept.away").rename(file)
    page.click(f"{CHECKPOINT} input")
    expect(page.locator(OFFERED).filter(has_text="flux-dev")).to_have_count(1)
    assert page.evaluate("darkroom.models.chosen()").startswith("flux-schnell"), "somebody chose another meanwhile"


FEED = """async () => {
  const answer = await darkroom.api("GET", "checkpoints");
  const api = darkroom.api;
  darkroom.feed = async (...titles) => {
    const like = (title) => ({ ...answer.checkpoints[0], title, name: title.split(" ")[0], hash: "" });
    darkroom.fed = { ...answer, checkpoints: [answer.checkpoints[0], ...titles.map(like)] };
    await darkroom.models.renew();
  };
  darkroom.api = async (verb, path, ...rest) => path === "checkpoints" ? darkroom.fed : api(verb, path, ...rest);
}"""
"""From now on the page hears of the first checkpoint and of others like it, by the titles that a test feeds."""


def test_a_refiner_and_a_second_pass_stay_chosen_when_their_hash_is_found(page: Page) -> None:
    page.evaluate(FEED)
    values = "(({ refiner_checkpoint: r, hr_checkpoint_name: s }) => `${r}, ${s}`)(darkroom.form.valuesOf('txt2img'))"
    page.click("#txt2img_hr > button")
    page.evaluate("darkroom.feed('fine', 'large')")
    page.evaluate("darkroom.form.fill('txt2img', { refiner_checkpoint: 'fine', hr_checkpoint_name: 'large' })")
    expect(page.locator("#txt2img_checkpoint input")).to_have_value("fine")
    page.evaluate("darkroom.feed('fine [0123456789]', 'large')")
    expect(page.locator("#txt2img_checkpoint input")).to_have_value("fine [0123456789]")
    page.evaluate("darkroom.feed('fine [0123456789]', 'large [abcdef0123]')")
    expect(page.locator("#txt2img_hr_checkpoint input")).to_have_value("large [abcdef0123]")
    assert page.evaluate(values) == "fine [0123456789], large [abcdef0123]"
    expect(page.locator("#dk_notices > *")).to_have_count(0)
    page.evaluate("darkroom.feed('large [abcdef0123]')")
    expect(page.locator("#txt2img_checkpoint input")).to_have_value("None")
    expect(page.locator("#dk_notices [data-mood=warn]")).to_contain_text(
        "fine [0123456789] is not in the folders of models any more. Refiner now: None."
    )
    page.evaluate("darkroom.feed()")
    expect(page.locator("#dk_notices [data-mood=warn]").last).to_contain_text(
        "large [abcdef0123] is not in the folders of models any more. "
        "Checkpoint of the second pass now: Use same checkpoint."
    )


def test_when_the_one_that_came_instead_goes_too_the_page_says_so(page: Page) -> None:
    page.evaluate(FEED)
    warned = page.locator("#dk_notices [data-mood=warn]")
    starter = page.evaluate("darkroom.models.chosen()")
    page.evaluate("darkroom.feed('lost', 'other')")
    page.evaluate("darkroom.models.use('lost')")
    page.evaluate("darkroom.boot.defaults.checkpoint = darkroom.shell.state.settings.sd_model_checkpoint = 'other'")
    page.evaluate("darkroom.feed('other')")
    assert page.evaluate("darkroom.models.chosen()") == "other"
    expect(warned.last).to_contain_text("lost is not in the folders of models any more.")
    page.evaluate("darkroom.feed()")
    assert page.evaluate("darkroom.models.chosen()") == starter
    expect(warned.last).to_contain_text("other is not in the folders of models any more.")
    page.evaluate("darkroom.feed('lost')")
    assert page.evaluate("darkroom.models.chosen()") == "lost"
    expect(warned.last).to_contain_text("lost can be used again")


def test_the_checkpoint_of_a_pasted_picture_stays_when_a_lost_one_comes_back(page: Page) -> None:
    page.evaluate(FEED)
    page.evaluate("darkroom.feed('lost', 'pasted')")
    page.evaluate("darkroom.models.use('lost')")
    page.evaluate("darkroom.feed('pasted')")
    assert page.evaluate("darkroom.models.chosen()") not in ("lost", "pasted")
    page.evaluate("darkroom.form.use('txt2img', { values: { prompt: 'a red circle', checkpoint: 'pasted' } })")
    assert page.evaluate("darkroom.models.chosen()") == "pasted"
    page.evaluate("darkroom.feed('lost', 'pasted')")
    assert page.evaluate("darkroom.models.chosen()") == "pasted"


def test_news_that_the_server_was_too_busy_to_answer_are_asked_for_again(
    models: Path, serve: Serve, open_page: Open
) -> None:
    page = open_page(serve())
    # The first look of all is news once.
    page.wait_for_timeout(5000)
    refused: list[str] = []

    def busy(route: Route) -> None:
        if len(refused) < 2:
            refused.append(route.request.url)
            route.fulfill(status=503, json={"title": "Too busy", "detail": "Too busy."})
        else:
            route.continue_()

    page.route("**/checkpoints", busy)
    shams.write(models / "Stable-diffusion" / "fresh.safetensors", ("", MODEL), fill=5.0)
    page.wait_for_function("JSON.stringify(darkroom.models.take()).includes('fresh')")
    assert len(refused) == 2


def test_a_late_answer_does_not_undo_a_newer_one(page: Page) -> None:
    page.evaluate(FEED)
    page.evaluate("darkroom.feed('old')")
    page.evaluate(
        """async () => {
          const [older, api] = [darkroom.fed, darkroom.api];
          let free;
          const held = new Promise((resolve) => { free = resolve; });
          darkroom.api = async (verb, path, ...rest) => path === "checkpoints" ? held : api(verb, path, ...rest);
          const late = darkroom.models.renew();
          darkroom.api = api;
          await darkroom.feed("old", "new");
          free(older);
          await late;
        }"""
    )
    offered = page.evaluate("darkroom.models.take().choices.map(([label]) => label)")
    assert offered[1:] == ["old", "new"]


def test_who_has_gone_down_the_list_stays_there(models: Path, serve: Serve, open_page: Open) -> None:
    for number in range(70):
        shams.write(models / "Lora" / f"l{number:02}.safetensors", ("", shams.lora()), fill=float(number))
    page = open_page(serve())
    tab(page, "models")
    page.select_option("#models_kind", "lora")
    expect(page.locator(NAMES)).to_have_count(60)
    page.click("#models_more")
    expect(page.locator(NAMES)).to_have_count(71)
    with page.expect_response(lambda answer: "/models?" in answer.url):
        shams.write(models / "Lora" / "a.safetensors", ("", shams.lora()), fill=99.0)
    expect(page.locator(NAMES).first).to_have_text("a")
    assert page.locator(NAMES).count() >= 71


def test_nothing_new_asks_for_nothing_and_a_hidden_page_hears_of_it_when_it_is_seen(
    models: Path, serve: Serve, open_page: Open
) -> None:
    page = open_page(serve())
    tab(page, "models")
    expect(page.locator(NAMES)).to_have_count(3)
    # The first look of all is news once.
    page.wait_for_timeout(7000)
    asked = requests_of(page)
    page.wait_for_timeout(7000)
    assert [url for url in asked if "checkpoints" in url or "models" in url or "modules" in url] == []
    page.evaluate("Object.defineProperty(document, 'hidden', { value: true, configurable: true })")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    shams.write(models / "Stable-diffusion" / "fresh.safetensors", ("", MODEL), fill=5.0)
    page.wait_for_timeout(7000)
    expect(page.locator(NAMES)).to_have_count(3)
    page.evaluate("delete document.hidden")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator(NAMES)).to_have_count(4)


def test_the_lists_of_an_open_merger_get_new_files_and_keep_what_is_chosen(
    models: Path, serve: Serve, open_page: Open
) -> None:
    page = open_page(serve())
    tab(page, "modelmerger")
    page.click("#modelmerger_primary_model_name input")
    page.click("#modelmerger_primary_model_name [role=option]:has-text('flux-dev')")
    shams.write(models / "Stable-diffusion" / "fresh.safetensors", ("", MODEL), fill=5.0)
    page.click("#modelmerger_secondary_model_name input")
    expect(page.locator("#modelmerger_secondary_model_name [role=option]").filter(has_text="fresh")).to_have_count(1)
    assert page.input_value("#modelmerger_primary_model_name input").startswith("flux-dev")
