"""Hires. fix on the page: its box, what is sent of it, and what a text that is read makes of it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.helpers import generate, number
from tests.browser.test_extra import asked, paste, picture

pytestmark = pytest.mark.browser

HEAD = "#txt2img_hr > button"
READ = (
    "a blue heart\nSteps: 4, Sampler: Euler a, Schedule type: Karras, CFG scale: 7, Seed: 5, Size: 128x128, "
    "Denoising strength: 0.4, RNG: CPU, Hires upscale: 1.5, Hires steps: 3, Hires upscaler: Lanczos, "
    "Hires prompt: a blue star, Version: v1.10.1"
)
FEWER = (
    "a blue heart\nSteps: 4, Sampler: Euler a, Schedule type: Karras, CFG scale: 7, Seed: 5, Size: 128x128, "
    "Denoising strength: 0.7, RNG: CPU, Hires upscale: 2, Hires upscaler: Latent, Version: v1.10.1"
)
PLAIN = "a red circle\nSteps: 4, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 128x128, RNG: CPU, Version: v1.10.1"


def picture_size(page: Page) -> tuple[int, int]:
    selected = page.evaluate("darkroom.results.selected()")
    return selected["width"], selected["height"]


def test_a_text_switches_it_on_and_another_off(page: Page) -> None:
    box, head = page.locator("#txt2img_hr-checkbox input"), page.locator(HEAD)
    expect(box).to_be_hidden()
    expect(head).not_to_contain_text("→")
    paste(page, READ)
    expect(box).to_be_checked()
    expect(head).to_contain_text("128 × 128 → 192 × 192, Lanczos")
    assert (number(page, "hr_scale"), number(page, "denoising_strength"), number(page, "hires_steps")) == (1.5, 0.4, 3)
    generate(page, "a blue heart")
    hires = asked(page)["hires"]
    assert (hires["hr_upscaler"], hires["hr_prompt"], hires["hr_scale"]) == ("Lanczos", "a blue star", 1.5)
    assert picture_size(page) == (192, 192) and "Hires upscale: 1.5" in picture(page)
    # What another text leaves out is the default, not what stood there.
    paste(page, FEWER)
    expect(head).to_contain_text("128 × 128 → 256 × 256, Latent")
    assert page.input_value("#txt2img_hires_prompt textarea") == "" and number(page, "hires_steps") == 0
    paste(page, PLAIN)
    expect(box).not_to_be_checked()
    expect(head).not_to_contain_text("→")
    generate(page, "a blue heart")
    assert asked(page)["hires"] is None and "Hires" not in picture(page)


def test_by_hand_it_says_the_size_that_comes(page: Page) -> None:
    page.click(HEAD)
    page.click("#txt2img_hr-checkbox label")
    head = page.locator(HEAD)
    expect(head).to_contain_text("128 × 128 → 256 × 256, Latent")
    page.evaluate("darkroom.form.fill('txt2img', { hr_resize_x: 200, hr_resize_y: 104 })")
    expect(head).to_contain_text("128 × 128 → 200 × 104")
    generate(page, "a blue heart")
    assert picture_size(page) == (200, 104)


def test_what_cannot_be_is_said_at_its_field(page: Page) -> None:
    page.evaluate("darkroom.form.fill('txt2img', { enable_hr: true, width: 2048, height: 2048, hr_scale: 4 })")
    page.fill("#txt2img_prompt textarea", "a red circle")
    page.click("#txt2img_generate")
    expect(page.locator("#txt2img_hr_scale .dk-field-error")).to_contain_text("million pixels")
    # Switched off it is in nobody's way.
    page.evaluate("darkroom.form.fill('txt2img', { enable_hr: false, width: 128, height: 128 })")
    generate(page, "a red circle")


def test_the_second_passs_choices_are_those_of_its_own_checkpoint(page: Page) -> None:
    first = page.evaluate("darkroom.models.chosen()")
    page.evaluate(
        """async () => {
          const answer = await darkroom.api("GET", "checkpoints");
          const takes = { samplers: ["Euler"], schedulers: ["Simple"], size_multiple: 16, latents: "flux" };
          const flow = { ...answer.checkpoints[0], ...takes, title: "flow", name: "flow" };
          const kin = { ...flow, title: "kin", name: "kin" };
          const api = darkroom.api;
          const three = { ...answer, checkpoints: [...answer.checkpoints, flow, kin] };
          darkroom.api = async (verb, path, ...rest) => path === "checkpoints" ? three : api(verb, path, ...rest);
          await darkroom.models.load();
        }"""
    )
    values = "{ enable_hr: true, hr_sampler_name: 'DDIM', width: 136, height: 136 }"
    page.evaluate(f"darkroom.form.fill('txt2img', {values})")
    page.wait_for_function("darkroom.form.valuesOf('txt2img').hr_sampler_name === 'DDIM'")
    expect(page.locator(HEAD)).to_contain_text("136 × 136 → 272 × 272")
    page.evaluate("darkroom.form.fill('txt2img', { hr_checkpoint_name: 'flow', hr_scale: 1.5 })")
    # What it does not take cannot stay; its sides are multiples of 16.
    page.wait_for_function("darkroom.form.valuesOf('txt2img').hr_sampler_name === 'Use same sampler'")
    expect(page.locator(HEAD)).to_contain_text("136 × 136 → 192 × 192")
    page.evaluate("darkroom.form.fill('txt2img', { refiner_checkpoint: 'kin' })")
    page.wait_for_function("darkroom.form.valuesOf('txt2img').refiner_checkpoint === 'kin'")
    # Without it the refiner goes on with the first one's latents, which that cannot.
    page.evaluate("darkroom.form.fill('txt2img', { enable_hr: false })")
    page.wait_for_function("darkroom.form.valuesOf('txt2img').refiner_checkpoint === 'None'")
    assert page.evaluate("darkroom.models.chosen()") == first
