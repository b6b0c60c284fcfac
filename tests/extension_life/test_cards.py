"""Cards: what this start has made of each extension, and what the next one will."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from tests.extension_life.conftest import House, Wheel, extension
from webui.extension_life.cards import Cards
from webui.extension_life.task import Task
from webui.plugins.loader import load_plugins, switched
from webui.plugins.manager import Plugins

ROWS = """
from webui.extend import Schedule, hookimpl

@hookimpl
def schedules():
    return [Schedule("Mine", "worker:mine")]
"""


def started(house: House, *, loads: bool = True) -> tuple[Plugins, Cards]:
    """What a start makes of the extensions that lie there."""
    plugins = load_plugins(house.paths.extensions if loads else (), "web", house.off)
    return plugins, Cards(house.life, house.paths.state, plugins.brought, loads=loads)


def card(plugins: Plugins, cards: Cards, name: str = "mine") -> dict[str, Any]:
    (found,) = [one for one in cards.all(plugins.reports) if one["name"] == name]
    return found


def test_each_change_waits_for_the_next_start_and_is_undone_by_its_opposite(
    house: House, wheel: Wheel, tmp_path: Path, task: Task
) -> None:
    wheel("dkone", "1.0")
    source = extension(tmp_path / "a", version="1", code=ROWS)
    (source / "worker.py").write_text("def mine(steps): ...\n")
    house.add(source)
    plugins, cards = started(house)
    first = card(plugins, cards)
    assert (first["next"], first["version"], first["contributes"]) == ("", "1", {"schedules": ["Mine"]})
    assert not cards.waits(cards.all(plugins.reports))
    extension(source, version="2", dependencies=["dkone"], code=ROWS)
    house.life.install(house.life.look_update("mine", task).id, task)
    changed = card(plugins, cards)
    assert (changed["next"], changed["version"], changed["next_version"], changed["missing"]) == (
        "changed",
        "1",
        "2",
        [],
    )
    assert cards.waits(cards.all(plugins.reports))
    house.life.disable("mine")
    assert (card(plugins, cards)["next"], card(plugins, cards)["on"]) == ("off", False)
    house.life.remove("mine")
    assert card(plugins, cards)["next"] == "removed"
    plugins, cards = started(house)
    assert not cards.waits(cards.all(plugins.reports))
    house.life.restore("mine")
    assert card(plugins, cards)["next"] == "added"


def test_a_safe_start_loads_none_and_shows_all(house: House, tmp_path: Path) -> None:
    house.add(extension(tmp_path / "a", code="raise SystemError"))
    plugins, cards = started(house, loads=False)
    shown = card(plugins, cards)
    assert (shown["ok"], shown["on"], shown["next"], shown["problem"]) == (False, True, "", None)
    assert cards.safe_mode and not cards.waits(cards.all(plugins.reports))


def test_what_is_torn_or_taken_away_meanwhile_has_a_card(house: House, tmp_path: Path) -> None:
    for name in ("mine", "other"):
        house.add(extension(tmp_path / name, name))
    plugins, cards = started(house)
    (house.own / "mine" / "extension.toml").write_text("torn =")
    shutil.rmtree(house.own / "other")
    (house.own / "no extension at all").mkdir()
    found = {one["name"]: one for one in cards.all(plugins.reports)}
    assert found["mine"]["ok"] and found["mine"]["version"] == "1"
    assert (found["other"]["next"], found["other"]["in_bin"]) == ("removed", False)
    assert "cannot be read" in found["mine"]["next_problem"]
    assert "no extension.toml" in found["no extension at all"]["next_problem"]
    assert found["no extension at all"]["next"] == ""


def test_one_whose_folder_is_deleted_meanwhile_is_said_to_be_gone_and_stays_by_hand(
    house: House, tmp_path: Path
) -> None:
    house.add(extension(tmp_path / "a", "installed"))
    folder = extension(house.own / "mine", code=ROWS)
    (folder / "worker.py").write_text("def mine(steps): ...\n")
    extension(house.own / "other", "other")
    plugins, cards = started(house)
    shutil.rmtree(folder)
    gone = card(plugins, cards)
    assert (gone["ok"], gone["problem"], gone["bundled"], gone["in_bin"]) == (True, "Its folder is gone.", False, False)
    for on in ({"installed", "mine"}, {"installed", "mine", "other"}):
        # Another one is switched: its rows would name functions that no worker has.
        plugins = switched(plugins, on)
        gone = card(plugins, cards)
        assert (gone["ok"], gone["problem"], gone["bundled"]) == (False, "Its folder is gone.", False)
        assert "Mine" not in plugins.table("schedules")
    assert [report.ok for report in plugins.reports] == [True, False, True]
    house.life.remove("installed")
    taken = card(plugins, cards, "installed")
    assert (taken["problem"], taken["in_bin"], taken["bundled"]) == (None, True, False)
    assert taken["source"]["kind"] == "folder"


def test_one_that_is_removed_and_taken_back_beside_a_switch_is_not_said_to_be_gone(
    house: House, tmp_path: Path
) -> None:
    for name in ("mine", "other"):
        house.add(extension(tmp_path / name, name))
    plugins, cards = started(house)
    house.life.remove("mine")
    plugins = switched(plugins, {"mine"})
    away = card(plugins, cards)
    assert (away["problem"], away["next"], away["in_bin"], away["ok"]) == (None, "removed", True, False)
    assert cards.left_out(plugins.reports) == []
    house.life.restore("mine")
    back = card(plugins, cards)
    assert (back["problem"], back["next"], back["on"], back["ok"]) == (None, "on", True, False)
    assert cards.left_out(plugins.reports) == [] and cards.waits(cards.all(plugins.reports))
    house.off = ("mine",)
    assert card(plugins, cards)["next"] == ""
    house.off = ()
    plugins = switched(plugins, {"mine"})
    assert (card(plugins, cards)["ok"], card(plugins, cards)["next"]) == (True, "")
    shutil.rmtree(house.own / "mine")
    plugins = switched(plugins, {"mine", "other"})
    assert [report.name for report in cards.left_out(plugins.reports)] == ["mine"], "by hand: nobody asked for it"


def test_a_version_that_was_replaced_is_no_removed_one(house: House, tmp_path: Path, task: Task) -> None:
    source = extension(tmp_path / "a", version="1")
    house.add(source)
    extension(source, version="2")
    house.life.install(house.life.look_update("mine", task).id, task)
    plugins, cards = started(house)
    shutil.rmtree(house.own / "mine")
    gone = card(plugins, cards)
    assert (gone["problem"], gone["in_bin"], gone["next"]) == ("Its folder is gone.", False, "removed")


def test_a_twin_that_was_put_there_by_hand_has_nothing_of_the_installed_one(
    house: House, tmp_path: Path, task: Task
) -> None:
    source = extension(tmp_path / "a", title="Installed")
    house.add(source)
    extension(house.own / "by hand", title="By hand")
    plugins, cards = started(house)

    def told(key: str) -> dict[str, Any]:
        return {one["title"]: one[key] for one in cards.all(plugins.reports)}

    assert told("source")["By hand"] is None and told("source")["Installed"]["kind"] == "folder"
    assert told("sha256")["By hand"] == "" and told("sha256")["Installed"]
    assert [one.name for one in house.life.newer(task)] == ["mine"]
    # The first of the two is the one that goes, and the other is still known.
    house.life.remove("mine")
    assert told("next") == {"By hand": "removed", "Installed": ""} and told("source")["Installed"]


def test_what_the_next_start_will_leave_out_is_said_now(house: House, tmp_path: Path) -> None:
    extension(house.own / "mine")
    torn = extension(house.own / "torn", "torn", api="9")
    plugins, cards = started(house)
    # This start has said it.
    assert (card(plugins, cards, "torn")["next"], card(plugins, cards, "torn")["next_problem"]) == ("", None)
    extension(house.own / "late", "late", api="7")
    extension(house.own / "twin", "mine", title="Twin")
    late = card(plugins, cards, "late")
    assert (late["next"], late["problem"]) == ("", None) and "version 7 of the contract" in late["next_problem"]
    (twin,) = [one for one in cards.all(plugins.reports) if one["title"] == "Twin"]
    assert twin["next_problem"] == f"An extension of this name is already loaded from {house.own / 'mine'}."
    assert not cards.waits(cards.all(plugins.reports))
    house.off = ("late",)
    assert card(plugins, cards, "late")["next_problem"] is None
    extension(torn, "torn")
    assert (card(plugins, cards, "torn")["next"], card(plugins, cards, "torn")["next_problem"]) == ("changed", None)
    house.off = ("mine",)
    shutil.rmtree(house.own / "mine")
    (twin,) = [one for one in cards.all(plugins.reports) if one["title"] == "Twin"]
    assert twin["next_problem"] is None
    house.off = ()
    shutil.rmtree(house.own / "twin")
    extension(house.own / "mine", requires="torn")
    assert "requires must be a list" in card(plugins, cards)["next_problem"]
