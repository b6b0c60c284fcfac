"""The form: paste, seeds, sizes, examples, the model's defaults, token counts and the keyboard."""

from __future__ import annotations

import base64
import re

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open, Serve, ready
from tests.browser.helpers import GENERATE, NEGATIVE, PROMPT, SLOW, generate, number, set_number, state
from webui.images.metadata import write_png
from webui.jobs.executors.fake import FakeExecutor

pytestmark = pytest.mark.browser

INFOTEXT = (
    "two yellow stars, striped\nNegative prompt: text\n"
    "Steps: 31, Sampler: Euler a, Schedule type: Karras, CFG scale: 6.5, Seed: 2718281828, Size: 192x256, "
    "Model: nobody's"
)


def field(page: Page, name: str) -> str:
    """A value as the scripts have it."""
    return str(page.evaluate(f"darkroom.form.valuesOf('txt2img')['{name}']"))


def test_defaults_are_the_models(page: Page) -> None:
    assert (number(page, "width"), number(page, "height"), number(page, "steps")) == (128, 128, 20)
    expect(page.locator("#setting_sd_model_checkpoint input")).to_have_value(re.compile("darkroom-starter"))


def test_paste_reads_the_infotext_in_the_prompt(page: Page) -> None:
    page.fill(PROMPT, INFOTEXT)
    page.click("#paste")
    expect(page.locator(PROMPT)).to_have_value("two yellow stars, striped")
    expect(page.locator(NEGATIVE)).to_have_value("text")
    assert [number(page, name) for name in ("steps", "cfg_scale", "seed", "width", "height")] == [
        31,
        6.5,
        2718281828,
        192,
        256,
    ]
    expect(page.locator("#txt2img_sampling input")).to_have_value("Euler a")
    expect(page.locator("#txt2img_scheduler input")).to_have_value("Karras")
    expect(page.locator("#dk_notices")).to_contain_text("is not here, so the checkpoint stays")
    page.click(GENERATE)
    state(page, "done")
    expect(page.locator("#html_info_txt2img")).to_contain_text("192 × 256")


def test_paste_takes_the_last_picture_when_the_prompt_is_empty(page: Page) -> None:
    page.click("#paste")
    expect(page.locator("#dk_notices")).to_contain_text("no settings to paste")
    set_number(page, "steps", 7)
    set_number(page, "seed", 99)
    generate(page, "a blue heart")
    page.click("#txt2img_clear_prompt")
    expect(page.locator(PROMPT)).to_have_value("")
    set_number(page, "steps", 20)
    page.click("#paste")
    expect(page.locator(PROMPT)).to_have_value("a blue heart")
    assert (number(page, "steps"), number(page, "seed")) == (7, 99)


@pytest.mark.parametrize("leave", ["Enter", "Tab"])
def test_a_name_of_a_sampler_is_understood_as_it_is_spelt_elsewhere(page: Page, leave: str) -> None:
    field = page.locator("#txt2img_sampling input")
    field.fill("DPM++ SDE Karras")
    field.press(leave)
    expect(field).to_have_value("DPM++ SDE")
    expect(page.locator("#txt2img_scheduler input")).to_have_value("Karras")
    field.fill("Brush of 1905")
    field.press(leave)
    expect(page.locator("#dk_notices")).to_contain_text("No sampler has the name Brush of 1905")
    expect(field).to_have_value("DPM++ SDE")


def test_seed_buttons_swap_and_sizes(page: Page) -> None:
    set_number(page, "seed", 5)
    generate(page, "a circle")
    page.click("#txt2img_random_seed")
    page.wait_for_function("darkroom.form.valuesOf('txt2img').seed === -1")
    assert number(page, "seed") == -1
    page.click("#txt2img_reuse_seed")
    page.wait_for_function("darkroom.form.valuesOf('txt2img').seed === 5")
    set_number(page, "width", 192)
    page.click("#txt2img_res_switch_btn")
    page.wait_for_function("darkroom.form.valuesOf('txt2img').height === 192")
    assert (number(page, "width"), number(page, "height")) == (128, 192)
    page.click(".dk-chip >> text='128 × 128'")
    page.wait_for_function("darkroom.form.valuesOf('txt2img').height === 128")
    expect(page.locator(".dk-chip >> text='128 × 128'")).to_have_attribute("aria-pressed", "true")


def test_the_empty_page_says_what_to_do_and_its_examples_fill_the_prompt(page: Page) -> None:
    empty = page.locator("#txt2img_empty")
    expect(empty).to_contain_text("Nothing developed yet")
    expect(empty).to_contain_text("models/Stable-diffusion")
    examples = empty.locator(".dk-examples button")
    expect(examples).to_have_count(3)
    wanted = examples.nth(1).inner_text()
    examples.nth(1).click()
    expect(page.locator(PROMPT)).to_have_value(wanted)
    page.click(GENERATE)
    state(page, "done")


@pytest.mark.parametrize(
    ("folder", "said"), [("/data/models", "diffusers' form into /data/models, then press ↻"), (None, "Only the owner")]
)
def test_without_a_checkpoint_the_page_says_where_one_goes_and_who_can_put_it_there(
    page: Page, folder: str | None, said: str
) -> None:
    answer = {"checkpoints": [], "folder": folder}
    page.route("**/api/v1/checkpoints*/**", lambda route: route.fulfill(json=answer))
    page.click("#refresh_sd_model_checkpoint")
    empty = page.locator("#txt2img_empty")
    expect(empty).to_contain_text("No checkpoint found")
    expect(empty).to_contain_text(said)
    expect(empty.locator("button")).to_have_count(0)
    shown = f"None in {folder}" if folder else "No checkpoint found"
    expect(page.locator("#setting_sd_model_checkpoint input")).to_have_attribute("placeholder", shown)
    expect(page.locator("#dk_worker")).to_contain_text("No checkpoint found")
    page.unroute("**/api/v1/checkpoints*/**")
    page.click("#refresh_sd_model_checkpoint")
    expect(empty).to_contain_text("Nothing developed yet")
    expect(page.locator("#setting_sd_model_checkpoint input")).to_have_attribute("placeholder", "")
    expect(page.locator("#setting_sd_model_checkpoint input")).to_have_value(re.compile("darkroom-starter"))


def test_run_again_makes_the_same_picture(page: Page) -> None:
    generate(page, "a red circle")
    seed = page.evaluate("darkroom.results.selected().seed")
    page.fill(PROMPT, "something else")
    page.click("#txt2img_again")
    page.wait_for_function("[...darkroom.jobs.all.values()].filter((job) => job.state === 'done').length === 2")
    page.wait_for_function(f"darkroom.results.selected()?.seed === {seed}")
    expect(page.locator("#html_info_txt2img")).to_contain_text("a red circle")
    page.click("#txt2img_copy")
    assert "Seed: " in page.evaluate("navigator.clipboard.readText()")


def test_tokens_are_counted(page: Page) -> None:
    counter = page.locator(".dk-tokens[data-for=prompt]")
    expect(counter).to_have_text("0 / 75")
    page.fill(PROMPT, "a red circle")
    expect(counter).to_have_text(re.compile(r"^[1-9]\d* / 75$"))
    page.fill(PROMPT, "a red circle " * 60)
    expect(counter).to_have_text(re.compile(r" / (150|225|300)$"))


def test_a_damaged_checkpoint_is_listed_after_a_look_and_says_what_is_wrong(serve: Serve, open_page: Open) -> None:
    server = serve()
    page = open_page(server)
    assert server.house
    folder = server.house.paths.models / "Stable-diffusion"
    folder.mkdir(parents=True)
    (folder / "broken.safetensors").write_bytes(b"no model")
    page.click("#refresh_sd_model_checkpoint")
    expect(page.locator("#dk_notices")).to_contain_text("cannot be used: broken.safetensors")
    page.click("#setting_sd_model_checkpoint input")
    page.get_by_role("option", name=re.compile(r"broken\.safetensors.* \(cannot be used\)")).click()
    expect(page.locator("#setting_sd_model_checkpoint .dk-field-error")).to_contain_text("broken.safetensors is")
    expect(page.locator("#setting_sd_model_checkpoint input")).to_have_value(re.compile("^darkroom-starter"))
    generate(page, "a circle")
    expect(page.locator(".dk-field-error")).to_have_count(0)


def test_the_form_survives_a_reload(page: Page) -> None:
    page.fill(PROMPT, "half a thought")
    set_number(page, "steps", 33)
    page.wait_for_function("darkroom.form.valuesOf('txt2img').steps === 33")
    page.reload()
    ready(page)
    expect(page.locator(PROMPT)).to_have_value("half a thought")
    page.wait_for_function("document.querySelector('#txt2img_steps input[type=number]').value === '33'")


def test_keys(serve: Serve, open_page: Open) -> None:
    server = serve(FakeExecutor(SLOW, capacity=1))
    page = open_page(server)
    set_number(page, "batch_count", 2)
    page.fill(PROMPT, "a red circle")
    page.locator(PROMPT).press("Control+Enter")
    state(page, "running")
    expect(page.locator(PROMPT)).to_have_value("a red circle")
    page.locator(PROMPT).press("Alt+Enter")
    expect(page.locator(".dk-which")).to_contain_text("Picture 2 of 2")
    page.keyboard.press("Escape")
    expect(page.locator("#txt2img_interrupt")).to_have_text("Stop now")
    page.keyboard.press("Escape")
    state(page, "interrupted")
    page.locator("#txt2img_steps input[type=number]").fill("9")
    page.keyboard.press("Control+Enter")
    state(page, "running")
    server.hurry()
    state(page, "done")
    expect(page.locator("#html_info_txt2img")).to_contain_text("Steps")
    assert page.evaluate("[...darkroom.jobs.all.values()].pop().request.steps") == 9
    page.locator("body").click(position={"x": 5, "y": 400})
    page.keyboard.press("Alt+3")
    expect(page.locator("#models_search")).to_be_visible()
    page.keyboard.press("/")
    expect(page.locator("#models_search")).to_be_focused()
    page.keyboard.press("Alt+1")
    page.locator("body").click(position={"x": 5, "y": 400})
    page.keyboard.press("?")
    expect(page.locator("#dk_keys")).to_contain_text("Ctrl + Enter")
    page.keyboard.press("Escape")
    expect(page.locator("#dk_keys")).to_be_hidden()


def test_cleared_prompts_come_back(page: Page) -> None:
    page.fill(PROMPT, "a red circle")
    page.click("#txt2img_clear_prompt")
    expect(page.locator(PROMPT)).to_have_value("")
    page.locator("#dk_notices button", has_text="Undo").click()
    expect(page.locator(PROMPT)).to_have_value("a red circle")


def test_a_new_tab_starts_with_what_was_typed_last(page: Page) -> None:
    page.fill(PROMPT, "three yellow stars")
    page.wait_for_function("darkroom.form.valuesOf('txt2img').prompt === 'three yellow stars'")
    other = page.context.new_page()
    other.goto(page.url)
    expect(other.locator(PROMPT)).to_have_value("three yellow stars")
    other.close()


DROP = """([data, kind]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], "a.png", { type: "image/png" }));
  const of = { bubbles: true, cancelable: true };
  const event = kind === "drop"
    ? new DragEvent(kind, { ...of, dataTransfer: transfer })
    : new ClipboardEvent(kind, { ...of, clipboardData: transfer });
  return document.querySelector("#txt2img_prompt textarea").dispatchEvent(event);
}"""


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_a_picture_that_is_brought_fills_the_form(page: Page, kind: str) -> None:
    data = write_png(Image.new("RGB", (8, 8)), "a green star\nSteps: 11, Sampler: Euler a, Seed: 42, Size: 128x192")
    assert page.evaluate(DROP, [base64.b64encode(data).decode(), kind]) is False, "the browser does nothing itself"
    expect(page.locator(PROMPT)).to_have_value("a green star")
    assert [number(page, name) for name in ("steps", "seed", "height")] == [11, 42, 192]
    data = write_png(Image.new("RGB", (8, 8)), "")
    page.evaluate(DROP, [base64.b64encode(data).decode(), kind])
    expect(page.locator("#dk_notices")).to_contain_text("says nothing of how it was made")
