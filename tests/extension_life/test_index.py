"""Lists of extensions: read with limits, searched by words; what is wrong in one does not hide the others."""

from __future__ import annotations

import json
from pathlib import Path

from tests.extension_life.conftest import House, extension
from webui.extension_life.index import Indexes, split_addresses
from webui.extension_life.task import Task


def index(path: Path, *rows: object) -> str:
    path.write_text(json.dumps({"extensions": rows}), "utf-8")
    return str(path)


def row(name: str, **more: str) -> dict[str, str]:
    return {"name": name, "source": f"https://github.com/a/{name}", **more}


def test_words_are_found_and_names_come_first(tmp_path: Path) -> None:
    one = index(
        tmp_path / "one.json",
        row("grid", title="Grid", description="thirds over a picture", version="1"),
        row("thirds", description="a grid, really"),
        row("other"),
    )
    found = Indexes(tmp_path / "tokens").search([one], "GRID")
    assert [one.name for one in found.rows] == ["grid", "thirds"]
    assert Indexes(tmp_path / "tokens").search([one], "grid over").rows[0].version == "1"
    assert found.problems == ()


def test_bad_rows_and_bad_lists_are_told_and_do_no_harm(tmp_path: Path) -> None:
    good = index(tmp_path / "good.json", row("grid"), {"name": 1}, "x", row("../up"), row("long", title="x" * 2000),
                 row("sum", sha256="zz"), {"name": "nosource"})  # fmt: skip
    (tmp_path / "torn.json").write_text("[" * 100_000)
    (tmp_path / "list.json").write_text("[]")
    with (tmp_path / "huge.json").open("wb") as file:
        file.truncate(2**30)
    bad = [str(tmp_path / f"{name}.json") for name in ("torn", "list", "huge", "gone")]
    found = Indexes(tmp_path / "tokens").all([*bad, good, "ftp://x/y", "http://example.org/x"])
    assert [one.name for one in found.rows] == ["grid"]
    assert len(found.problems) == 7
    assert any("6 of 7 rows" in problem for problem in found.problems)


def test_the_first_list_counts_and_a_list_tells_of_updates(house: House, tmp_path: Path) -> None:
    task = Task()
    source = extension(tmp_path / "source", "grid", "1")
    house.add(source)
    better = extension(tmp_path / "better", "grid", "2")
    plan = house.life.look(str(better), task)
    house.life.discard(plan.id)
    rows = {"name": "grid", "source": str(better), "version": "2", "sha256": plan.staged.sha256}
    house.indexes = [index(tmp_path / "a.json", rows), index(tmp_path / "b.json", row("grid", version="9"))]
    assert house.life.newer(task)[0].newest == "2"
    update = house.life.look_update("grid", task)
    assert (update.staged.manifest.version, update.staged.source.address) == ("2", str(better))
    house.life.install(update.id, task)
    assert house.life.newer(task)[0].newest == ""
    extension(better, "grid", "2", code="not what was announced")
    assert "announced" in _problem(house, task)


def _problem(house: House, task: Task) -> str:
    try:
        house.life.look_update("grid", task)
    except Exception as error:  # noqa: BLE001 whatever it is, it is read
        return str(error)
    return ""


def test_addresses_are_split() -> None:
    assert split_addresses(" https://a/x.json,\nb.json  c.json,") == ["https://a/x.json", "b.json", "c.json"]
