"""Cards of extensions that lie badly: deleted, of one name, failing all the time; in order, and in their columns."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open, Serve
from tests.browser.helpers import tab
from tests.extension_life.conftest import extension
from webui.core.errors import ExtensionProblem
from webui.jobs.executors.base import LeftOut
from webui.plugins.meter import Call


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The folder of extensions of the test's own."""
    return tmp_path / "data" / "extensions"


def titles(page: Page) -> list[str]:
    """Those of the cards that were put there by hand, from above."""
    mine = page.locator("#extensions_list .dk-ext").filter(has_text="Put there by hand").locator(".dk-ext-name")
    expect(mine.first).to_be_visible()
    return [text.rpartition(" ")[0] for text in mine.all_inner_texts()]


def test_many_that_were_left_out_are_one_message(serve: Serve, open_page: Open, home: Path) -> None:
    for name in ("a", "b", "c", "d", "e"):
        extension(home / name, name, api="9")
    page = open_page(serve())
    expect(page.locator("#dk_notices")).to_contain_text("5 extensions were left out. See Extensions.")
    expect(page.locator("#dk_notices > *")).to_have_count(1)


def test_cards_stand_by_title_and_those_of_one_name_say_their_folder(serve: Serve, open_page: Open, home: Path) -> None:
    extension(home / "a-first", "a-first", title="Zebra")
    extension(home / "z-last", "z-last", title="ape 10")
    extension(home / "y-last", "y-last", title="Ape 9")
    extension(home / "two", "twin", title="Twin")
    extension(home / "twin", "twin", title="Twin again")
    extension(home / "Other name", "other", title="Other")
    extension(home / "a-b", "a-b", title="Dash")
    extension(home / "a_b", "a_b", title="Line")
    page = open_page(serve())
    tab(page, "extensions")
    assert titles(page) == ["Ape 9", "ape 10", "Dash", "Line", "Other", "Twin", "Twin again", "Zebra"]
    cards = page.locator("#extensions_list .dk-ext")
    for title, says in {
        "Twin again": "Put there by hand: extensions/twin",
        "Twin 1": "Put there by hand: extensions/two",
        "Other": "Put there by hand: extensions/Other name",
        "Zebra": "Put there by hand",
        "Dash": "Put there by hand: extensions/a-b",
        "Line": "Put there by hand: extensions/a_b",
    }.items():
        card = cards.filter(has=page.locator(".dk-ext-name", has_text=title))
        expect(card.locator(".dk-what > p").last).to_have_text(says)
    # Each opens for itself.
    cards.filter(has_text="Twin again").get_by_role("button", name="Details").click()
    expect(page.locator(".dk-ext-details")).to_have_count(1)
    expect(cards.filter(has_text="Twin again").locator(".dk-ext-details")).to_be_visible()
    for title in ("Dash", "Line"):
        cards.filter(has=page.locator(".dk-ext-name", has_text=title)).get_by_role("button", name="Details").click()
    ids = page.locator(".dk-ext-details").evaluate_all("all => all.map(({ id }) => id)")
    assert len(ids) == len(set(ids)) == 3


def test_one_that_was_deleted_is_gone_and_was_put_there_by_hand(serve: Serve, open_page: Open, home: Path) -> None:
    extension(home / "drift", "drift", title="Drift")
    extension(home / "other", "other", title="Other")
    page = open_page(serve())
    shutil.rmtree(home / "drift")
    extension(home / "late", "late", title="Late", api="9")
    tab(page, "extensions")
    drift, other, late = (page.locator(f'#extensions_list [data-name="{name}"]') for name in ("drift", "other", "late"))
    expect(late.locator(".dk-state")).to_contain_text("Left out from the next start on. It is written for version 9")
    expect(drift.locator(".dk-state")).to_have_text("Its folder is gone.")
    other.get_by_role("switch").click()
    expect(other.locator(".dk-state")).to_have_text("Off")
    expect(drift.locator(".dk-state")).to_have_text("Its folder is gone.")
    expect(drift.locator(".dk-what > p").last).to_have_text("Put there by hand")
    drift.get_by_role("button", name="Details").click()
    expect(drift.locator(".dk-ext-acts button")).to_have_count(0)
    messages = page.request.get(f"{page.url}api/v1/status").json()["messages"]
    assert messages == ["The extension 'drift' was left out: Its folder is gone."]


def test_one_that_fails_all_the_time_says_so_and_where(serve: Serve, open_page: Open, home: Path) -> None:
    extension(home / "mine", "mine", title="Mine")
    server = serve()
    assert server.house
    meter = server.house.plugins.meter
    page = open_page(server)
    for calls, said in ((1, "Loaded, 1 call failed"), (97, "Loaded, 98 calls failed")):
        for _ in range(calls):
            with pytest.raises(ExtensionProblem):
                meter.run(Call("mine", "job_event", lambda: 1 / 0), ())
        tab(page, "queue")
        tab(page, "extensions")
        mine = page.locator('#extensions_list [data-name="mine"]')
        expect(mine.locator(".dk-state")).to_have_text(said)
        expect(mine.locator(".dk-state")).to_have_attribute("data-mood", "warn")
    mine.get_by_role("button", name="Details").click()
    mine.get_by_text("Show the report of job_event").click()
    expect(mine.locator("pre")).to_contain_text("ZeroDivisionError")


def test_one_that_brought_workers_down_says_why_it_is_off(serve: Serve, open_page: Open, home: Path) -> None:
    extension(home / "mine", "mine", title="Mine")
    server = serve()
    assert server.house
    executor = server.house.service._scheduler.workers[0].executor
    sentence = "3 workers in a row died inside it, so it was switched off. The last time: It crashed."
    status = replace(executor.status(), left_out=(LeftOut("mine", sentence),), blamed=("mine",))
    executor._status = status  # type: ignore[attr-defined] # the fake's
    server.house.service._scheduler.wake()
    page = open_page(server)
    page.wait_for_function(
        "darkroom.api('GET', 'extensions').then((now) => !now.extensions.find(({ name }) => name === 'mine').on)"
    )
    tab(page, "extensions")
    mine = page.locator('#extensions_list [data-name="mine"]')
    expect(mine.locator(".dk-state")).to_have_text(f"{sentence} Off from the next start on.")
    expect(mine.get_by_role("switch")).not_to_be_checked()


@pytest.mark.parametrize("width", [390, 1440])
def test_cards_take_the_width_and_details_lie_under_their_text(
    serve: Serve, open_page: Open, home: Path, width: int
) -> None:
    extension(home / "mine", "mine", title="Mine", description="What it does.")
    page = open_page(serve(), width)
    tab(page, "extensions")
    mine = page.locator('#extensions_list [data-name="mine"]')
    mine.get_by_role("button", name="Details").click()
    boxes = [mine.locator(part).bounding_box() for part in (".dk-what", ".dk-ext-details")]
    assert boxes[0] and boxes[1] and abs(boxes[0]["x"] - boxes[1]["x"]) < 1
    card, head = mine.bounding_box(), page.locator("#extensions_area").bounding_box()
    assert card and head and abs(card["width"] - head["width"]) < 1 and head["width"] > 0.85 * width
