"""The fields of extensions on the page: folded, marked while on, asked for, refused in place, read back, settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open, Serve, ready
from tests.browser.helpers import GENERATE, PROMPT, generate, state, tab
from tests.browser.server import PageServer
from webui.jobs.executors.fake import FakeExecutor
from webui.plugins.loader import build_registry, load_plugins

pytestmark = pytest.mark.browser

DEMO = """
from webui.extend import Field, hookimpl

@hookimpl
def fields():
    return [
        Field("shift", "int", "Shift", "How far.", 0, minimum=0, maximum=10, step=1),
        Field("size", "float", "Size", "How large.", 0.5, minimum=0.0, maximum=2.0),
        Field("mode", "choice", "Mode", "Which way.", "left", choices=("left", "right")),
        Field("note", "text", "Note", "What to say.", ""),
    ]
"""
SWITCHED = """
from webui.extend import Field, hookimpl

@hookimpl
def fields():
    return [
        Field("enabled", "bool", "Enable", "Use it.", False),
        Field("scale", "float", "Scale", "How much.", 7.0, minimum=0.0, maximum=30.0, step=0.5, slider=(0.0, 15.0)),
    ]
"""
HEAD, BODY = "#txt2img_demo .dk-panel-head", "#txt2img_demo_body"


@pytest.fixture
def server(tmp_path: Path, serve: Serve) -> PageServer:
    folders = tmp_path / "data" / "extensions"
    for name, source in {"demo": DEMO, "switched": SWITCHED}.items():
        (folders / name).mkdir(parents=True)
        manifest = f'name = "{name}"\nversion = "1"\napi = "1"\ntitle = "{name.title()}"\ndescription = "Of {name}."\n'
        (folders / name / "extension.toml").write_text(manifest, "utf-8")
        (folders / name / "extension.py").write_text(source, "utf-8")
    panels = build_registry(load_plugins([folders], "web")).panels
    return serve(FakeExecutor(0.02, capacity=1, panels=panels))


def asked(page: Page) -> Any:
    return page.evaluate(
        "[...darkroom.jobs.all.values()].sort((a, b) => a.created - b.created).at(-1).request.extensions"
    )


def mark(page: Page, name: str = "demo") -> Any:
    return page.locator(f"#txt2img_{name}[data-on]")


def test_a_panel_is_folded_and_marked_while_something_in_it_is_set(server: PageServer, open_page: Open) -> None:
    page = open_page(server)
    expect(page.locator(f"{HEAD} > span").first).to_have_text("Demo")
    expect(page.locator(BODY)).to_be_hidden()
    expect(mark(page)).to_have_count(0)
    generate(page, "a red circle")
    assert asked(page) == {}
    page.click(HEAD)
    expect(page.locator(BODY)).to_contain_text("Of demo.")
    page.fill("#txt2img_demo_shift_input", "3")
    page.select_option("#txt2img_demo_mode_input", "right")
    page.fill("#txt2img_demo_note_input", "so, it: is")
    expect(mark(page)).to_have_count(1)
    expect(page.locator(HEAD)).to_contain_text("In use")
    generate(page, "a blue circle")
    assert asked(page) == {"demo": {"shift": 3, "size": 0.5, "mode": "right", "note": "so, it: is"}}
    said = 'Demo Shift: 3, Demo Mode: right, Demo Note: "so, it: is"'
    assert said in page.evaluate("darkroom.results.selected().infotext")
    page.reload()
    ready(page)
    expect(mark(page)).to_have_count(1)
    page.click(HEAD)
    expect(page.locator("#txt2img_demo_shift_input")).to_have_value("3")
    page.click(f"{BODY} .dk-link")
    expect(mark(page)).to_have_count(0)
    expect(page.locator("#txt2img_demo_shift_input")).to_have_value("0")
    page.click("#txt2img_again")
    page.wait_for_function("[...darkroom.jobs.all.values()].filter((job) => job.state === 'done').length === 3")


def test_a_switch_says_whether_the_rest_counts(server: PageServer, open_page: Open) -> None:
    page = open_page(server)
    page.click("#txt2img_switched .dk-panel-head")
    page.fill("#txt2img_switched_scale_input", "20")
    expect(mark(page, "switched")).to_have_count(0)
    generate(page, "a red circle")
    assert asked(page) == {}
    page.check("#txt2img_switched_enabled_input")
    expect(mark(page, "switched")).to_have_count(1)
    generate(page, "a blue circle")
    assert asked(page) == {"switched": {"enabled": True, "scale": 20}}


def test_what_made_a_picture_comes_back_and_what_it_does_not_say_is_off(server: PageServer, open_page: Open) -> None:
    page = open_page(server)
    page.click("#txt2img_switched .dk-panel-head")
    page.check("#txt2img_switched_enabled_input")
    line = (
        "Steps: 4, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 128x128, Demo Shift: 4, Demo Size: 1.25, Version: v1"
    )
    page.fill(PROMPT, f"a star\n{line}")
    page.click("#paste")
    expect(page.locator(BODY)).to_be_visible()
    expect(page.locator("#txt2img_demo_shift_input")).to_have_value("4")
    expect(page.locator("#txt2img_demo_size_input")).to_have_value("1.25")
    expect(mark(page, "switched")).to_have_count(0)
    page.click(GENERATE)
    state(page, "done")
    assert asked(page) == {"demo": {"shift": 4, "size": 1.25, "mode": "left", "note": ""}}
    page.click(f"{BODY} .dk-link")
    tab(page, "gallery")
    page.click("#gallery_detail >> text=→ txt2img")
    expect(page.locator("#txt2img_demo_shift_input")).to_have_value("4")


def test_what_is_wrong_is_said_at_its_field_even_in_a_folded_panel(server: PageServer, open_page: Open) -> None:
    page = open_page(server)
    page.click(HEAD)
    page.fill("#txt2img_demo_shift_input", "99")
    page.locator("#txt2img_demo_shift_input").blur()
    note = page.locator("#txt2img_demo_shift > .dk-field-error")
    expect(note).to_contain_text("Must be 0 to 10, not 99")
    page.click(HEAD)
    page.click(GENERATE)
    expect(note).to_be_visible()
    note.get_by_text("Use 10").click()
    expect(page.locator("#txt2img_demo_shift_input")).to_have_value("10")
    expect(note).to_have_count(0)
    fault = {"title": "x", "detail": "Mode is wrong.", "field": "extensions.demo.mode", "remedies": ["Use 'right'"]}
    page.evaluate("(fault) => darkroom.problems.report(fault)", fault)
    wrong = page.locator("#txt2img_demo_mode > .dk-field-error")
    wrong.get_by_text("Use 'right'").click()
    expect(page.locator("#txt2img_demo_mode_input")).to_have_value("right")


def test_defaults_are_settings_and_untouched_fields_follow_them(server: PageServer, open_page: Open) -> None:
    page = open_page(server)
    tab(page, "settings")
    page.click("#settings_nav >> text=Demo")
    page.fill("#setting_extensions\\.demo\\.shift_input", "6")
    page.click("#settings_submit")
    expect(page.locator("#dk_notices")).to_contain_text("Settings are saved")
    page.fill("#setting_extensions\\.demo\\.shift_input", "60")
    page.click("#settings_submit")
    expect(page.locator("#row_extensions\\.demo\\.shift")).to_contain_text("between 0 and 10")
    page.fill("#settings_search", "how far")
    expect(page.locator("#row_extensions\\.demo\\.size")).to_be_hidden()
    tab(page, "txt2img")
    expect(mark(page)).to_have_count(1)
    generate(page, "a red circle")
    assert asked(page)["demo"]["shift"] == 6
    page.click(HEAD)
    page.fill("#txt2img_demo_shift_input", "0")
    expect(mark(page)).to_have_count(0)
    generate(page, "a blue circle")
    assert asked(page) == {}, "what is switched off by hand is off"


@pytest.mark.parametrize(("width", "scheme"), [(1440, "dark"), (390, "light")])
def test_nothing_reaches_beyond_the_page(server: PageServer, open_page: Open, width: int, scheme: str) -> None:
    page = open_page(server, width=width, height=900, scheme=scheme)
    for name in ("demo", "switched"):
        page.click(f"#txt2img_{name} .dk-panel-head")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    box = page.locator("#tab_txt2img").bounding_box()
    assert box
    for field in ("demo_shift", "demo_size", "demo_mode", "demo_note", "switched_enabled", "switched_scale"):
        own = page.locator(f"#txt2img_{field}").bounding_box()
        assert own and own["x"] >= box["x"] and own["x"] + own["width"] <= box["x"] + box["width"] + 1


def test_a_reader_is_shown_an_extension_in_his_language(serve: Serve, open_page: Open, tmp_path: Path) -> None:
    locales = tmp_path / "data" / "extensions" / "pack" / "locales"
    locales.mkdir(parents=True)
    (locales.parent / "extension.toml").write_text('name = "pack"\nversion = "1"\napi = "1"\n')
    (locales.parent / "extension.py").write_text("")
    (locales / "de.toml").write_text(
        '[page]\ngenerate = "Erzeugen"\nsaved = "Gesichert"\nsetting_theme = "Aussehen"\n', encoding="utf-8"
    )
    server = serve()
    page = open_page(server, locale="de-CH")
    expect(page.locator("#txt2img_watermark .dk-panel-head")).to_contain_text("Rahmen und Wasserzeichen")
    page.click("#txt2img_watermark .dk-panel-head")
    expect(page.locator("#txt2img_watermark_corner")).to_contain_text("Ecke")
    expect(page.locator("#txt2img_watermark_corner option").first).to_have_text("unten rechts")
    expect(page.locator("#txt2img_watermark_corner select")).to_have_value("bottom right")
    expect(page.locator("#txt2img_generate")).to_have_text("Erzeugen")
    assert page.evaluate("darkroom.t('generate')") == "Erzeugen"
    other = open_page(server, locale="fr")
    expect(other.locator("#txt2img_watermark .dk-panel-head")).to_contain_text("Frame and watermark")
    expect(other.locator("#txt2img_generate")).to_have_text("Generate")
    # The owner chooses for everybody.
    tab(other, "settings")
    control = other.locator("#setting_localization")
    expect(control.locator("input")).to_have_value("The browser's")
    control.locator("input").click()
    options = other.locator("[role=listbox]:visible [role=option]")
    expect(options).to_contain_text(["The browser's", "English", "Deutsch"])
    options.filter(has_text="Deutsch").click()
    other.click("#settings_submit")
    other.get_by_role("button", name="Load again").click()
    expect(other.locator("#txt2img_generate")).to_have_text("Erzeugen")
    expect(other.locator("#txt2img_watermark .dk-panel-head")).to_contain_text("Rahmen und Wasserzeichen")
    tab(other, "settings")
    expect(other.locator("#about_theme")).to_contain_text("Aussehen")
    expect(other.locator("#about_localization")).to_contain_text("Localization")
    tab(other, "txt2img")
    # What it has no words for is English.
    expect(other.locator("#paste")).to_have_text("Paste")
    assert other.evaluate("[darkroom.t('saved'), darkroom.t('cancel')]") == ["Gesichert", "Cancel"]
