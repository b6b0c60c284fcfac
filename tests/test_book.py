"""The book for extension authors: it quotes the files that it names, tells of the whole contract, its links lead on."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import webui.extend
import webui.extend.worker
from tools.contract_page import COMMAND, PAGE, page
from webui.author.source_rules import faults_of
from webui.core.paths import PROGRAM_DIR
from webui.plugins.manifest import FILE, read_manifest

BOOK = PROGRAM_DIR / "docs" / "extensions"
REFERENCE = PROGRAM_DIR / "docs" / "extensions.md"
PAGES = sorted(BOOK.glob("*.md"))
WHOLE = sorted([*(PROGRAM_DIR / "extensions").glob(f"*/{FILE}"), *(BOOK / "examples").glob(f"*/{FILE}")])
_QUOTED = re.compile(r"<!-- (\S+) -->\n```\w+\n(.*?)\n```\n", re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_quotes_is_the_file(page: Path) -> None:
    text = page.read_text("utf-8")
    quoted = _QUOTED.findall(text)
    assert len(quoted) == text.count("\n```\n"), "each block says which file it is"
    for name, code in quoted:
        file = BOOK / name if name.startswith("examples/") else PROGRAM_DIR / name
        assert file.read_text("utf-8").rstrip() == code, name


@pytest.mark.parametrize("page", [*PAGES, REFERENCE], ids=lambda page: page.stem)
def test_its_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("manifest", WHOLE, ids=lambda manifest: manifest.parent.name)
def test_bundled_extensions_and_examples_keep_to_the_contract(manifest: Path) -> None:
    assert faults_of(manifest.parent, read_manifest(manifest.parent)) == []
    assert list((manifest.parent).rglob("test_*.py")), "it is tested"


def test_every_bundled_extension_has_its_line() -> None:
    text = (BOOK / "bundled.md").read_text("utf-8")
    assert re.findall(r"^\| `([a-z-]+)` \|", text, re.MULTILINE) == [
        manifest.parent.name for manifest in WHOLE if manifest.parent.parent.name == "extensions"
    ]


def test_the_page_of_the_browser_names_all_of_its_contract() -> None:
    script = (PROGRAM_DIR / "webui" / "ui" / "assets" / "extend.js").read_text("utf-8")
    names = re.findall(r"^    (\w+):", script, re.MULTILINE)
    told = re.findall(r"^\| `(\w+)", (BOOK / "page.md").read_text("utf-8"), re.MULTILINE)
    assert told == names


def test_the_contract_is_as_it_is_written() -> None:
    assert PAGE.read_text("utf-8") == page(), f"write it anew: {COMMAND}; what others build on must not change meaning"


INTERNAL = {"TokenFile"}
"""Types in signatures that no author writes or reads: a `Web` is handed to them made."""


def annotations_of(value: Any) -> Iterator[str]:
    yield from map(str, getattr(value, "__annotations__", {}).values())
    for name, member in vars(value).items() if inspect.isclass(value) else ():
        function = getattr(member, "fget", None) or getattr(member, "__func__", member)
        if inspect.isfunction(function) and (name == "__init__" or not name.startswith("_")):
            yield from map(str, function.__annotations__.values())


def test_types_of_the_contract_s_signatures_are_of_the_contract() -> None:
    public = [getattr(module, name) for module in (webui.extend, webui.extend.worker) for name in module.__all__]
    lacking = set()
    for value in public:
        home = vars(sys.modules.get(getattr(value, "__module__", ""), webui.extend))
        for word in re.findall(r"[A-Za-z_]\w+", " ".join(annotations_of(value))):
            named = home.get(word)
            if inspect.isclass(named) and named.__module__.startswith("webui") and named not in public:
                lacking.add(word)
    assert lacking <= INTERNAL


def test_the_contract_has_the_methods_with_their_signatures() -> None:
    text = page()
    for method in (
        ".pictures(limit: int = 60, before: float | None = None, search: str = '') -> list[StoredPicture]",
        ".number(name: str",
        ".but(",
        ".image() -> Image.Image",
        ".predict(",
        ".is_owner: bool",
    ):
        assert f"<br>- `{method}" in text


def test_the_two_bundled_guidances_say_that_one_sets_the_other_aside() -> None:
    folders = {"cfg-tools": "Dynamic thresholding", "dynamic-thresholding": "CFG tools"}
    for name, other in folders.items():
        assert other in (PROGRAM_DIR / "extensions" / name / "extension.py").read_text("utf-8")
