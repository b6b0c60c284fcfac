"""The PNG Info tab: a picture is chosen, dropped or pasted, and shown with what made it; the form takes it over."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open, Serve
from tests.browser.helpers import NEGATIVE, PROMPT, tab
from tests.images.readers import comfy
from webui.web.identity import Sharing

pytestmark = pytest.mark.browser

TEXT = "a red house\nNegative prompt: fog\nSteps: 7, Sampler: Euler a, CFG scale: 3, Seed: 5, Size: 64x32, Colour: red"

DROP = """([bytes, kind]) => {
  const file = new File([new Uint8Array(bytes)], "picture.png", { type: "image/png" });
  const data = new DataTransfer();
  data.items.add(file);
  const event = kind === "paste"
    ? new ClipboardEvent("paste", { bubbles: true, cancelable: true, clipboardData: data })
    : new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: data });
  document.body.dispatchEvent(event);
}"""


def png(**texts: str) -> bytes:
    info, file = PngImagePlugin.PngInfo(), io.BytesIO()
    for keyword, text in texts.items():
        info.add_text(keyword, text)
    Image.new("RGB", (64, 32), (200, 40, 40)).save(file, format="PNG", pnginfo=info)
    return file.getvalue()


def values(page: Page) -> dict[str, str]:
    names, said = (page.locator(f"#pnginfo_values {tag}").all_inner_texts() for tag in ("dt", "dd"))
    return dict(zip(names, said, strict=True))


def test_a_chosen_picture_is_shown_and_sent_to_the_form(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "house.png"
    file.write_bytes(png(parameters=TEXT))
    tab(page, "pnginfo")
    expect(page.locator("#pnginfo_image")).to_contain_text("Drop a picture here")
    with page.expect_file_chooser() as chooser:
        page.click("#pnginfo_choose")
    chooser.value.set_files(file)
    expect(page.locator("#pnginfo_reader")).to_have_text("64 × 32, read as Parameters text")
    expect(page.locator("#pnginfo_result .dk-prompt-text").first).to_have_text("a red house")
    found = values(page)
    assert {"Steps": "7", "Sampler": "Euler a", "Seed": "5", "Colour": "red · not known here"}.items() <= found.items()
    expect(page.locator("#pnginfo_image img")).to_be_visible()
    page.click("#pnginfo_result summary")
    expect(page.locator("#generation_info")).to_have_text(TEXT)
    page.click("#pnginfo_send_txt2img")
    expect(page.locator(PROMPT)).to_be_visible()
    expect(page.locator(PROMPT)).to_have_value("a red house")
    expect(page.locator(NEGATIVE)).to_have_value("fog")
    page.wait_for_function("darkroom.form.valuesOf('txt2img').steps === 7")


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_another_program_s_picture_says_what_is_not_known_here(page: Page, kind: str) -> None:
    tab(page, "pnginfo")
    page.evaluate(DROP, [list(png(prompt=comfy.graph())), kind])
    expect(page.locator("#pnginfo_reader")).to_have_text(re.compile("read as ComfyUI"))
    found = values(page)
    assert {"Steps": "25", "Sampler": "DPM++ 2M", "CFG scale": "6.5", "Seed": "42"}.items() <= found.items()
    expect(page.locator("#pnginfo_values [data-unknown]")).to_have_text("dreamy_8 · not known here")
    # It was shown, and nothing else was touched.
    assert page.evaluate("darkroom.form.valuesOf('txt2img').prompt") == ""


def test_a_picture_without_words_and_a_file_that_is_none(serve: Serve, open_page: Open) -> None:
    page = open_page(serve(sharing=Sharing(listen=True)), width=390, height=844)
    tab(page, "pnginfo")
    page.evaluate(DROP, [list(png()), "drop"])
    expect(page.locator("#pnginfo_result")).to_contain_text("says nothing of how it was made")
    page.evaluate(DROP, [list(b"no picture at all"), "drop"])
    expect(page.locator("#pnginfo_result [role=alert]")).to_contain_text("not a picture of a known format")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
