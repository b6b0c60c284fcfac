"""Tags are found by how they or their aliases begin; lists may be damaged; the address answers visitors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from webui.extend.testing import Desk


def found(desk: Desk, tmp_path: Path, text: str, asked: str, most: int = 8) -> list[tuple[str, str]]:
    path = tmp_path / "list.csv"
    path.write_text(text, encoding="utf-8")
    return [(tag.name, alias) for tag, alias in desk.module("tags").Tags([path]).find(asked, most)]


LIST = 'long_hair,0,500,"longhair,/lh"\nlong_sleeves,0,300,\nlonger,0,400,\nHatsune_Miku,4,200,"初音ミク,miku"\n'


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("long", [("long hair", ""), ("longer", ""), ("long sleeves", "")]),
        ("LONG_S", [("long sleeves", "")]),
        ("longh", [("long hair", "longhair")]),
        ("初音", [("Hatsune Miku", "初音ミク")]),
        ("hatsune m", [("Hatsune Miku", "")]),
        ("nothing", []),
        ("  ", []),
        ("\U0010ffff", []),
    ],
)
def test_a_tag_is_found_by_its_beginning(
    desk: Desk, tmp_path: Path, asked: str, expected: list[tuple[str, str]]
) -> None:
    assert found(desk, tmp_path, LIST, asked) == expected


def test_no_more_are_told_than_are_wanted(desk: Desk, tmp_path: Path) -> None:
    assert len(found(desk, tmp_path, "".join(f"tag{n},0,{n},\n" for n in range(1000)), "tag", 5)) == 5


@pytest.mark.parametrize("text", ["", "\n\n", "name\n", ",,,\n", 'a,b,c,"d\n', "\x00\n", "x" * 300 + ",0,1,\n"])
def test_a_damaged_list_harms_nobody(desk: Desk, tmp_path: Path, text: str) -> None:
    assert len(found(desk, tmp_path, text, "na")) == (text == "name\n")


def test_the_address_answers_whoever_writes_prompts(desk: Desk) -> None:
    def ask(client: httpx.Client, text: str) -> list[dict[str, Any]]:
        tags: list[dict[str, Any]] = client.get("/api/v1/x/tag-completion/tags", params={"q": text}).json()["tags"]
        return tags

    assert ask(desk.client, "white")[0]["name"] == "white background"
    assert ask(desk.client, "crim") == [{"name": "red", "kind": 0, "uses": 900, "alias": "crimson"}]
    with httpx.Client(base_url=desk.url) as anybody:
        assert ask(anybody, "circ")[0]["name"] == "circle"


def test_a_list_that_is_put_there_counts_at_once(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    extension = desk.module("extension")
    monkeypatch.setattr(extension, "FOLDER", tmp_path)
    assert extension._read(extension._stamps()).find("neu", 8) == []
    (tmp_path / "more.csv").write_text("neu,0,1,\n")
    assert extension._read(extension._stamps()).find("neu", 8)[0][0].name == "neu"
