"""Wildcards on the disk: names as the extension has them, nothing from outside the folders, changes are seen."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from webui.core.prompt.dynamic import Template, Value
from webui.core.prompt.wildcards import Snapshot
from webui.prompt_files import wildcards
from webui.prompt_files.wildcards import FileWildcards

PANTRY = """\
clothing:
  - T-shirt
  - 2::coat
  - {text: hat, weight: 3}
  - |
    # how to use it
    a long
    dress
artists:
  finnish: [Helene Schjerfbeck]
  dutch:
    - Vincent van Gogh
  one: alone
  1234: 5678
  none: 12
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a file of each kind."""
    place = tmp_path / "wildcards"
    (place / "colours").mkdir(parents=True)
    (place / "colours" / "warm.txt").write_bytes(b"\xef\xbb\xbf# warm\nred\n\n  yellow  \nred\n2::orange\n")
    (place / "colours" / "cold.txt").write_text("blue\n", "utf-8")
    (place / "colours" / "tree.json").write_text('{"dark": ["black"], "deep": {"er": ["navy"]}}', "utf-8")
    (place / "list.json").write_text('["one", "two", 3]', "utf-8")
    (place / "pantry.yaml").write_text(PANTRY, "utf-8")
    return place


@pytest.fixture
def look(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Snapshot]:
    """What is there now, however short ago the last look was."""
    monkeypatch.setattr(wildcards, "_AGAIN", -1.0)
    return FileWildcards(lambda: [folder, folder.parent / "second"]).now


def texts(found: Snapshot, pattern: str) -> list[str]:
    return [value.text for value in found.values(pattern)]


def test_names_are_the_files_and_in_trees_the_keys(look: Callable[[], Snapshot]) -> None:
    assert look().names == [
        "artists/dutch",
        "artists/finnish",
        "artists/one",
        "clothing",
        "colours/cold",
        "colours/dark",
        "colours/deep/er",
        "colours/warm",
        "list",
    ]
    assert not look().problems


def test_values(look: Callable[[], Snapshot]) -> None:
    found = look()
    assert list(found.values("colours/warm")) == [Value("red"), Value("yellow"), Value("orange", 2)]
    assert list(found.values("clothing")) == [
        Value("T-shirt"),
        Value("coat", 2),
        Value("hat", 3),
        Value("a long\ndress"),
    ]
    assert texts(found, "list") == ["one", "two"]
    assert texts(found, "artists/one") == ["alone"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("colours/*", {"red", "yellow", "orange", "blue", "black", "navy"}),
        ("colours/**", {"red", "yellow", "orange", "blue", "black", "navy"}),
        ("colours/[cw]*", {"red", "yellow", "orange", "blue"}),
        ("*/?utch", {"Vincent van Gogh"}),
        ("COLOURS\\cold", {"blue"}),
        ("/colours/cold/", {"blue"}),
        ("nothing*", set()),
        ("", set()),
    ],
)
def test_patterns(look: Callable[[], Snapshot], pattern: str, expected: set[str]) -> None:
    assert set(texts(look(), pattern)) == expected


@pytest.mark.parametrize(
    "name", ["../secret", "colours/../../secret", "..\\secret", "../*", "/etc/passwd", "a/../list"]
)
def test_no_name_leads_out(look: Callable[[], Snapshot], folder: Path, name: str) -> None:
    (folder.parent / "secret.txt").write_text("secret\n", "utf-8")
    found = look()
    assert not found.values(name)
    assert Template(f"x __{name}__", found).draw(1) == f"x __{name}__"
    if ".." in name:
        assert "lead out" in found.why_none(name)


@pytest.mark.skipif(os.name == "nt", reason="links need a right there")
def test_no_link_leads_out(look: Callable[[], Snapshot], folder: Path) -> None:
    outside = folder.parent / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text("secret\n", "utf-8")
    (folder / "file.txt").symlink_to(outside / "secret.txt")
    (folder / "place").symlink_to(outside)
    (folder / "inside.txt").symlink_to(folder / "colours" / "cold.txt")
    (folder / "loop.txt").symlink_to(folder / "loop.txt")
    names = look().names
    assert "inside" in names
    assert not {"file", "place/secret", "loop"} & set(names)


def test_changes_are_seen(look: Callable[[], Snapshot], folder: Path) -> None:
    before = look()
    assert look() is before
    (folder / "colours" / "cold.txt").write_text("blue\nteal\n", "utf-8")
    assert texts(look(), "colours/cold") == ["blue", "teal"]
    (folder / "colours" / "cold.txt").unlink()
    assert not look().values("colours/cold")
    second = folder.parent / "second"
    second.mkdir()
    (second / "more.txt").write_text("x\n", "utf-8")
    (second / "List.txt").write_text("hidden by the first folder's\n", "utf-8")
    assert texts(look(), "more") == ["x"]
    assert texts(look(), "list") == ["one", "two"]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("bad.yaml", b"a: [b"),
        ("bad.json", b"{"),
        ("deep.json", b'{"a":' * 3000 + b"1" + b"}" * 3000),
        ("bomb.yaml", b"a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"),
        ("code.yaml", b"a: !!python/object/apply:os.getcwd []\n"),
        ("large.yaml", b"#" * (wildcards.MAX_TREE_BYTES + 1)),
    ],
)
def test_a_file_that_cannot_be_read_is_left_out_with_a_sentence(
    look: Callable[[], Snapshot], folder: Path, name: str, data: bytes
) -> None:
    (folder / name).write_bytes(data)
    found = look()
    assert len(found.problems) == 1
    assert name in found.problems[0]
    assert found.problems[0].endswith(".")
    assert str(folder) not in found.problems[0]
    assert "list" in found.names


def test_binary_rubbish_is_text_at_worst(look: Callable[[], Snapshot], folder: Path) -> None:
    (folder / "rubbish.txt").write_bytes(bytes(range(256)) * 4)
    assert look().values("rubbish")


def test_a_near_name_is_offered(look: Callable[[], Snapshot]) -> None:
    assert look().why_none("colours/warn") == "There is no wildcard 'colours/warn'. Did you mean 'colours/warm'?"


def test_a_name_that_looks_like_a_pattern_is_found(folder: Path, look: Callable[[], Snapshot]) -> None:
    (folder / "hair [long].txt").write_text("braid\n", "utf-8")
    found = look()
    assert texts(found, "hair [long]") == texts(found, "Hair [LONG]") == texts(found, "hair*") == ["braid"]
    assert found.count("hair [long]") == 1
