"""The Extensions tab: cards with all that is known, installing after a look, switching, taking away and back."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open, Serve, ready
from tests.browser.helpers import tab
from tests.extension_life.conftest import extension
from webui.core.paths import Paths
from webui.extension_life.life import Life
from webui.extension_life.task import Task
from webui.web.identity import Sharing

CODE = """
from webui.extend import Schedule, hookimpl

@hookimpl
def schedules():
    return [Schedule("Swirl", "worker:swirl")]
"""


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A data folder with an extension that loads and one that does not."""
    home = tmp_path / "data" / "extensions"
    folder = extension(home / "swirls", "swirls", "1.2", CODE, title="Swirls", description="A schedule that swirls.",
                       author="Ann", permissions=["network"])  # fmt: skip
    (folder / "worker.py").write_text("def swirl(steps): ...\n")
    extension(home / "torn", "torn", "0.3", "raise ValueError('not today')\n", title="Torn <b>")
    return tmp_path


@pytest.mark.usefixtures("house")
def test_cards_say_what_is_loaded_and_what_is_wrong(serve: Serve, open_page: Open) -> None:
    page = open_page(serve())
    tab(page, "extensions")
    swirls, torn = (page.locator(f'#extensions_list [data-name="{name}"]') for name in ("swirls", "torn"))
    expect(swirls).to_contain_text("Swirls 1.2")
    expect(swirls.locator(".dk-state")).to_have_text("Loaded")
    expect(torn).to_contain_text("Torn <b>")
    expect(torn.locator(".dk-state")).to_contain_text("not today")
    swirls.get_by_role("button", name="Details").click()
    details = swirls.locator(".dk-ext-details")
    for words in ("schedules: Swirl", "asks servers on the network", "Ann"):
        expect(details).to_contain_text(words)
    torn.get_by_role("button", name="Details").click()
    trace = torn.locator("pre")
    expect(trace).not_to_be_visible()
    torn.get_by_text("Show the report").click()
    expect(trace).to_contain_text("ValueError")
    page.fill("#extensions_search", "swirl")
    expect(torn).to_have_count(0)
    page.fill("#extensions_search", "nothing of this")
    expect(page.locator("#extensions_empty")).to_contain_text("No extension has these words")


def test_a_pasted_address_is_looked_at_before_anything_is_installed(serve: Serve, open_page: Open, house: Path) -> None:
    source = extension(house / "fresh", "fresh", "2.0", CODE.replace("Swirl", "Fresh"), title="Fresh",
                       permissions=["files"])  # fmt: skip
    server = serve()
    page = open_page(server)
    tab(page, "extensions")
    page.fill("#extensions_search", str(source))
    page.keyboard.press("Enter")
    dialog = page.locator("#dk_extension")
    for words in ("Fresh", "2.0", "reads or writes files outside its own folder", "SHA-256", "schedules"):
        expect(dialog).to_contain_text(words)
    installed = house / "data" / "extensions" / "fresh"
    assert not installed.exists()
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).not_to_be_visible()
    page.wait_for_timeout(300)
    assert not [path for path in installed.parent.iterdir() if path.name.startswith(".fetched")]
    page.click("#extensions_add")
    dialog.get_by_role("button", name="Look at it").click()
    dialog.get_by_role("button", name="Install").click()
    expect(dialog).not_to_be_visible()
    fresh = page.locator('#extensions_list [data-name="fresh"]')
    expect(fresh.locator(".dk-state")).to_have_text("Loaded from the next start on")
    expect(page.locator("#extensions_restart")).to_be_visible()
    assert installed.is_dir()


@pytest.mark.usefixtures("house")
def test_a_refusal_stands_in_the_dialog(serve: Serve, open_page: Open) -> None:
    page = open_page(serve())
    tab(page, "extensions")
    page.click("#extensions_add")
    page.fill("#dk_extension_source", "git://example.org/x")
    page.keyboard.press("Enter")
    expect(page.locator("#dk_extension .dk-field-error")).to_contain_text("nobody vouches")
    expect(page.locator("#dk_extension_source")).to_be_focused()


def test_switches_and_the_bin(serve: Serve, open_page: Open, house: Path) -> None:
    server = serve()
    page = open_page(server)
    tab(page, "extensions")
    swirls = page.locator('#extensions_list [data-name="swirls"]')
    switch = swirls.get_by_role("switch")
    expect(switch).to_be_checked()
    switch.click()
    expect(swirls.locator(".dk-state")).to_have_text("Off")
    expect(page.locator("#dk_notices")).to_contain_text(
        "Swirls is off. This page leaves it out once it is loaded again."
    )
    assert server.house and server.house.settings.current.disabled_extensions == ("swirls",)
    switch.click()
    expect(swirls.locator(".dk-state")).to_have_text("Loaded")
    expect(page.locator("#dk_notices").get_by_role("button", name="Load again").first).to_be_visible()
    expect(page.locator("#extensions_restart")).not_to_be_visible()
    swirls.get_by_role("button", name="Details").click()
    swirls.get_by_role("button", name="Remove").click()
    swirls.get_by_role("button", name="Move it into the bin?").click()
    expect(swirls.locator(".dk-state")).to_have_text("Gone from the next start on")
    assert not (house / "data" / "extensions" / "swirls").exists()
    page.locator("#dk_notices").get_by_role("button", name="Undo").click()
    expect(swirls.locator(".dk-state")).to_have_text("Loaded")
    assert (house / "data" / "extensions" / "swirls").is_dir()


def test_an_update_is_found_shown_and_installed(serve: Serve, open_page: Open, house: Path) -> None:
    source = extension(house / "fresh", "fresh", "1", title="Fresh")
    life = Life(Paths(data_dir=house / "data"), lambda: (), lambda names: None)
    life.install(life.look(str(source), Task()).id, Task())
    page = open_page(serve())
    extension(source, "fresh", "2", title="Fresh", permissions=["network"])
    tab(page, "extensions")
    page.click("#extensions_updates")
    expect(page.locator("#dk_notices")).to_contain_text("There is something newer of Fresh")
    page.reload()
    ready(page)
    tab(page, "extensions")
    fresh = page.locator('#extensions_list [data-name="fresh"]')
    expect(fresh.locator(".dk-state")).to_have_text("2 is there")
    expect(fresh.locator(".dk-row-acts").get_by_role("button", name="Update")).to_be_visible()
    fresh.get_by_role("button", name="Details").click()
    fresh.locator(".dk-ext-acts").get_by_role("button", name="Update").click()
    dialog = page.locator("#dk_extension")
    for words in ("From version 1 to 2", "more permissions: network", "Takes the place of version 1"):
        expect(dialog).to_contain_text(words)
    dialog.get_by_role("button", name="Install").click()
    expect(dialog).not_to_be_visible()
    expect(fresh.locator(".dk-state")).to_have_text("2 from the next start on")
    assert 'version = "2"' in (house / "data" / "extensions" / "fresh" / "extension.toml").read_text()


def test_lists_are_searched_beside(serve: Serve, open_page: Open, house: Path) -> None:
    index = house / "index.json"
    source = extension(house / "grid", "grid", "3")
    rows = [{"name": "grid", "title": "Grid", "source": str(source), "version": "3", "description": "Thirds."}]
    index.write_text(json.dumps({"extensions": rows}))
    server = serve()
    assert server.house
    server.house.settings.update({"extension_indexes": str(index)})
    page = open_page(server)
    tab(page, "extensions")
    page.fill("#extensions_search", "thirds")
    found = page.locator("#extensions_found")
    expect(found).to_contain_text("Grid 3")
    found.get_by_role("button", name="Look at it").click()
    expect(page.locator("#dk_extension_source")).to_have_value(str(source))


@pytest.mark.usefixtures("house")
def test_while_shared_it_says_why_nothing_can_be_changed(serve: Serve, open_page: Open) -> None:
    server = serve(sharing=Sharing(listen=True))
    page = open_page(server)
    expect(page.get_by_role("tab", name="Extensions")).to_have_count(0)
    refused = page.request.post(f"{page.url}api/v1/extensions/updates", headers={"Origin": page.url.rstrip("/")})
    assert refused.status == 403


def test_an_action_is_seen_after_the_page_is_read_anew(serve: Serve, open_page: Open, house: Path) -> None:
    server = serve()
    assert server.house
    page = open_page(server)
    works = server.house.service.extension_works._works

    def slow(task: Task) -> None:
        while True:
            task.say("Working hard")
            task.check()
            time.sleep(0.02)

    works.start("look", "x", slow)
    tab(page, "extensions")
    shown = page.locator("#extensions_work")
    expect(shown).to_contain_text("Working hard")
    shown.get_by_role("button", name="Stop").click()
    expect(shown).not_to_be_visible()
    expect(page.locator("#dk_notices")).to_contain_text("It was stopped")


SETTINGS = """
from webui.extend import Setting, hookimpl

@hookimpl
def settings():
    return [
        Setting("key", "text", "Key", "Of the service.", "", secret=True),
        Setting("pages", "int", "Pages", "How many.", 2, minimum=1, maximum=9),
    ]
"""


def test_settings_of_its_own_are_set_on_its_card_and_a_secret_is_not_shown_again(
    serve: Serve, open_page: Open, tmp_path: Path
) -> None:
    extension(tmp_path / "data" / "extensions" / "shop", "shop", "1", SETTINGS, title="Shop")
    server = serve()
    page = open_page(server)
    tab(page, "extensions")
    page.locator('#extensions_list [data-name="shop"]').get_by_role("button", name="Details").click()
    form = page.get_by_role("form", name="Settings of Shop")
    form.get_by_label("Key").fill("sk-123")
    form.get_by_label("Pages").fill("12")
    form.get_by_role("button", name="Save").click()
    expect(page.locator("#dk_notices")).to_contain_text("it must be between 1 and 9")
    form.get_by_label("Pages").fill("5")
    form.get_by_role("button", name="Save").click()
    expect(page.locator("#dk_notices")).to_contain_text("The settings of Shop are saved.")
    expect(form.get_by_label("Key")).to_have_value("")
    expect(form.get_by_label("Key")).to_have_attribute("placeholder", "Set; type another to replace it")
    expect(form.get_by_label("Pages")).to_have_value("5")
    assert server.house and server.house.plugins.settings_of("shop") == {"key": "sk-123", "pages": 5}
    assert "sk-123" not in page.content()
