"""Interrogate: what to get where there is no captioner; the caption in the prompt with its undo; a dropped picture."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open, Serve, ready
from tests.browser.helpers import PROMPT, generate, tab
from tests.engine.captions.sham import write_sham
from tests.jobs.works_stub import Stubborn
from webui.core.model_work import Made

pytestmark = pytest.mark.browser

SAID = "a red circle on white"
NOTICES = "#dk_notices > div"
DROP = """(data) => {
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], 'one.png', { type: 'image/png' }));
    document.querySelector('#txt2img_prompt').dispatchEvent(
        new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer: transfer }));
}"""


def captioned() -> Stubborn:
    shop = Stubborn()
    shop.result = Made("sham", text=SAID)
    return shop


def interrogate(page: Page) -> None:
    page.locator("#gallery_detail").get_by_role("button", name="Interrogate").click()


def test_without_a_captioner_it_is_said_what_to_get_and_the_words_stay(serve: Serve, open_page: Open) -> None:
    page = open_page(serve(others=[captioned()]), width=390, height=844)
    generate(page, "first circle")
    tab(page, "gallery")
    page.locator("#gallery_grid button").first.click()
    interrogate(page)
    note = page.locator(NOTICES)
    expect(note).to_contain_text("There is no captioner here")
    expect(note).to_contain_text("models/BLIP")
    expect(note).to_have_attribute("data-mood", "warn")
    box = note.bounding_box()
    assert box and box["x"] >= 0 and box["x"] + box["width"] <= 390
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_caption_becomes_the_prompt_and_can_be_undone(tmp_path: Path, serve: Serve, open_page: Open) -> None:
    write_sham(tmp_path / "data" / "models" / "BLIP" / "sham")
    shop = captioned()
    server = serve(others=[shop])
    page = open_page(server)
    generate(page, "first circle")
    tab(page, "gallery")
    interrogate(page)
    expect(page.locator(NOTICES)).to_contain_text(".png is being described")
    # Asked once more while it is asked for: nothing more is put into the line.
    interrogate(page)
    server.do(shop.done.set)
    note = page.locator(NOTICES).filter(has_text=f"The prompt is now: {SAID}")
    expect(note).to_be_visible()
    assert len(shop.ran) == 1
    tab(page, "txt2img")
    expect(page.locator(PROMPT)).to_have_value(SAID)
    note.get_by_role("button", name="Undo").click()
    expect(page.locator(PROMPT)).to_have_value("first circle")
    # It is no work on models, and its words can be had again after a reload.
    page.reload()
    ready(page)
    tab(page, "modelmerger")
    expect(page.locator("#modelworks_empty")).to_contain_text("Nothing is being done")
    tab(page, "queue")
    row = page.locator("#queue_list .dk-row", has_text="Interrogate")
    row.get_by_role("button", name="Use as prompt").click()
    tab(page, "txt2img")
    expect(page.locator(PROMPT)).to_have_value(SAID)


def test_a_dropped_picture_that_says_nothing_may_be_described(tmp_path: Path, serve: Serve, open_page: Open) -> None:
    write_sham(tmp_path / "data" / "models" / "BLIP" / "sham")
    shop = captioned()
    server = serve(others=[shop])
    page = open_page(server)
    server.do(shop.done.set)
    file = io.BytesIO()
    Image.new("RGB", (32, 32), "red").save(file, "PNG")
    page.evaluate(DROP, base64.b64encode(file.getvalue()).decode())
    page.locator(NOTICES, has_text="says nothing").get_by_role("button", name="Interrogate").click()
    expect(page.locator(PROMPT)).to_have_value(SAID)
    page.fill(PROMPT, "something else")
    tab(page, "pnginfo")
    page.set_input_files("#pnginfo_file", {"name": "one.png", "mimeType": "image/png", "buffer": file.getvalue()})
    page.locator("#pnginfo_result").get_by_role("button", name="Interrogate").click()
    page.wait_for_function(f"darkroom.form.valuesOf('txt2img').prompt === '{SAID}'")


def test_what_becomes_of_it_in_the_workshop_is_told(tmp_path: Path, serve: Serve, open_page: Open) -> None:
    write_sham(tmp_path / "data" / "models" / "BLIP" / "sham")
    shop = captioned()

    def fail() -> None:
        raise RuntimeError

    shop.work = fail
    server = serve(others=[shop])
    page = open_page(server)
    server.do(shop.done.set)
    generate(page, "first circle")
    tab(page, "gallery")
    interrogate(page)
    expect(page.locator(NOTICES).filter(has_text="An error nobody foresaw: RuntimeError")).to_be_visible()
    assert page.input_value(PROMPT) == "first circle"
