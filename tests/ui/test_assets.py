"""The page's files: complete, named by content, small, and without the ways in which a prompt could become markup."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from webui.ui import assets
from webui.ui.assets import FOLDER, SCRIPTS, SHEETS, asset_names, head_html, load_assets
from webui.ui.texts import EN
from webui.ui.tokens import COLOURS, SIZES


def test_every_file_is_listed_once_and_every_listed_file_is_there() -> None:
    assert sorted([*SCRIPTS, *SHEETS]) == sorted(path.name for path in FOLDER.iterdir())
    assert max(Counter(asset_names()).values()) == 1


def test_names_follow_the_content(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {asset.name.split("-", 1)[1]: asset.name for asset in load_assets().values()}
    assert list(before) == asset_names()
    monkeypatch.setitem(assets.CATALOGUE, "de", {"generate": "Erzeugen"})
    after = {asset.name.split("-", 1)[1]: asset.name for asset in load_assets.__wrapped__().values()}
    assert {name for name in before if before[name] != after[name]} == {"texts.js"}


def test_the_head_sets_the_scheme_first_and_loads_everything_in_order() -> None:
    head = head_html("/files", theme="dark")
    assert head.index("dk-dark") < head.index("<link")
    assert re.findall(r"/files/[0-9a-f]{12}-([\w.]+)", head) == asset_names()
    assert 'kept||"dark"' in head
    assert "http" not in head


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_script_makes_markup_of_text(name: str) -> None:
    source = (FOLDER / name).read_text("utf-8")
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "srcdoc"):
        assert way not in source, f"{name} uses {way}"


@pytest.mark.parametrize("name", [*SCRIPTS, *SHEETS])
def test_files_are_small_and_say_what_they_are(name: str) -> None:
    lines = (FOLDER / name).read_text("utf-8").splitlines()
    assert len(lines) <= 400
    assert lines[0].startswith(("// ", "/* "))


@pytest.mark.parametrize("name", SHEETS)
def test_sheets_use_tokens_and_two_weights(name: str) -> None:
    source = (FOLDER / name).read_text("utf-8")
    known = {row.name for row in COLOURS} | set(SIZES) | {"sans", "mono", "columns", "thumb"}
    assert set(re.findall(r"var\(--dk-([\w-]+)", source)) <= known
    assert not re.search(r"font(-weight)?: *(5|6)00", source)
    assert ".svelte-" not in source


def test_scripts_say_only_what_the_catalogue_has() -> None:
    source = "\n".join((FOLDER / name).read_text("utf-8") for name in SCRIPTS)
    asked = set(re.findall(r'\bt\("(\w+)"', source))
    assert asked and asked <= set(EN), asked - set(EN)
