"""The Extra row: variations and noise of another size, from a text or by hand into a job, and what a text overrides."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open, Serve, ready
from tests.browser.helpers import GENERATE, PROMPT, generate, number, set_number, state, tab

pytestmark = pytest.mark.browser

VARIED = (
    "a blue heart\nSteps: 4, Sampler: Euler a, CFG scale: 7, Seed: 4294967294, Size: 128x128, "
    "Variation seed: 4294967295, Variation seed strength: 0.25, Seed resize from: 512x768, ENSD: 31337, Version: v1.10"
)
CHANGED = (
    "a blue heart\nSteps: 4, Sampler: Euler a, Schedule type: Karras, CFG scale: 7, Seed: 5, Size: 128x128, RNG: CPU, "
    "Eta: 0.5, Schedule rho: 5, Discard penultimate sigma: True, Version: v1.10.1"
)
PLAIN = "a red circle\nSteps: 4, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 128x128, RNG: CPU, Version: v1.10.1"
NOISE = {
    "seed": 4294967294, "subseed": 4294967295, "subseed_strength": 0.25, "seed_resize_from_w": 512,
    "seed_resize_from_h": 768, "randn_source": "NV", "eta_noise_seed_delta": 31337,
}  # fmt: skip
PLAIN_NOISE = {
    "subseed": -1, "subseed_strength": 0, "seed_resize_from_w": 0, "seed_resize_from_h": 0, "randn_source": "CPU",
    "eta_noise_seed_delta": 0,
}  # fmt: skip


def asked(page: Page, place: int = -1) -> dict[str, Any]:
    """The request of a job, by its place in time."""
    requests = page.evaluate(
        "[...darkroom.jobs.all.values()].sort((a, b) => a.created - b.created).map((job) => job.request)"
    )
    return dict(requests[place])


def paste(page: Page, text: str) -> None:
    page.fill(PROMPT, text)
    page.click("#paste")
    expect(page.locator(PROMPT)).to_have_value(text.partition("\n")[0])


def picture(page: Page) -> str:
    return str(page.evaluate("darkroom.results.selected().infotext"))


def test_what_a_text_says_of_noise_is_shown_made_and_made_again(page: Page) -> None:
    row, chips = page.locator("#txt2img_seed_extras"), page.locator("#txt2img_override_settings .dk-chip")
    box = page.locator("#txt2img_subseed_show input")
    expect(row).to_be_hidden()
    paste(page, VARIED)
    expect(row).to_be_visible()
    expect(box).to_be_checked()
    names = ("seed", "subseed", "subseed_strength", "seed_resize_from_w", "seed_resize_from_h")
    assert [number(page, name) for name in names] == [NOISE[name] for name in names]
    expect(chips).to_have_text(["Eta noise seed delta: 31337 ×", "Random number source: NV ×"])
    page.click(GENERATE)
    state(page, "done")
    assert asked(page).items() >= NOISE.items()
    assert "Variation seed: 4294967295, Variation seed strength: 0.25, Seed resize from: 512x768" in picture(page)
    page.click("#txt2img_again")
    page.wait_for_function("[...darkroom.jobs.all.values()].filter((job) => job.state === 'done').length === 2")
    assert asked(page) == asked(page, 0)
    paste(page, PLAIN)
    expect(row).to_be_hidden()
    expect(chips).to_have_count(0)
    page.click("#txt2img_use")
    expect(row).to_be_visible()
    expect(chips).to_have_count(2)
    assert number(page, "subseed") == NOISE["subseed"]


def test_what_is_switched_off_counts_no_more(page: Page) -> None:
    paste(page, VARIED)
    expect(page.locator("#txt2img_seed_extras")).to_be_visible()
    for name in ("randn_source", "eta_noise_seed_delta"):
        page.click(f"#txt2img_override_settings [data-field={name}]")
    page.reload()
    ready(page)
    expect(page.locator("#txt2img_seed_extras")).to_be_visible()
    expect(page.locator("#txt2img_override_settings .dk-chip")).to_have_count(0)
    set_number(page, "seed_resize_from_h", 0)
    page.click(GENERATE)
    refused = page.locator("#txt2img_seed_resize_from_h .dk-field-error")
    expect(refused).to_contain_text("is 0 while Resize seed from width is not")
    page.click("#txt2img_subseed_show label")
    expect(page.locator("#txt2img_seed_extras")).to_be_hidden()
    generate(page, "a blue heart")
    assert asked(page).items() >= PLAIN_NOISE.items()


def test_a_variation_by_hand_and_its_buttons(serve: Serve, open_page: Open) -> None:
    page = open_page(serve(), width=390, height=800)
    page.click("#txt2img_subseed_show label")
    set_number(page, "subseed_strength", 0.5)
    set_number(page, "seed", 7)
    generate(page, "a star")
    drawn = asked(page)["subseed"]
    assert drawn >= 0 and "Seed: 7, Size: 128x128" in picture(page)
    page.click("#txt2img_reuse_subseed")
    page.wait_for_function(f"darkroom.form.valuesOf('txt2img').subseed === {drawn}")
    page.click("#txt2img_random_subseed")
    page.wait_for_function("darkroom.form.valuesOf('txt2img').subseed === -1")
    for name in ("seed", "subseed"):
        set_number(page, name, 4294967295)
        box = page.locator(f"#txt2img_{name} input")
        assert box.evaluate("(input) => input.scrollWidth <= input.clientWidth"), "ten digits have room on a phone"


def test_a_model_that_draws_its_own_noise_has_no_extra(page: Page) -> None:
    page.click("#txt2img_subseed_show label")
    expect(page.locator("#txt2img_seed_extras")).to_be_visible()
    page.evaluate("document.documentElement.dataset.without = 'subseed subseed_strength'")
    expect(page.locator("#txt2img_seed_extras")).to_be_hidden()
    expect(page.locator("#txt2img_subseed_show")).to_be_hidden()


def test_options_of_a_text_are_chips_and_what_is_not_said_is_the_setting(serve: Serve, open_page: Open) -> None:
    page = open_page(serve())
    chips = page.locator("#txt2img_override_settings .dk-chip")
    paste(page, CHANGED)
    expect(chips).to_have_text(["Eta: 0.5 ×", "Rho: 5 ×", "Discard next-to-last sigma: true ×"])
    page.click(GENERATE)
    state(page, "done")
    changed = {"eta": 0.5, "rho": 5, "always_discard_next_to_last_sigma": True}
    assert asked(page).items() >= changed.items()
    assert "Eta: 0.5, Schedule rho: 5, Discard penultimate sigma: True" in picture(page)
    tab(page, "settings")
    page.fill("#settings_search", "k-diffusion")
    expect(page.locator("#row_eta_ancestral")).to_be_visible()
    expect(page.locator("#row_s_churn")).to_be_hidden()
    page.fill("#setting_eta_ancestral input", "0.25")
    page.click("#settings_submit")
    expect(page.locator("#dk_notices")).to_contain_text("Settings are saved")
    tab(page, "txt2img")
    paste(page, PLAIN)
    expect(chips).to_have_text(["Eta: 1 ×"])
    chips.click()
    expect(chips).to_have_count(0)
    generate(page, "a red circle")
    assert asked(page).items() >= {"eta": 0.25, "rho": 0, "always_discard_next_to_last_sigma": False}.items()
    assert "Eta: 0.25" in picture(page)
