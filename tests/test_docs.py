"""What the pages promise is there: files they link to, hooks with their arguments, commands, folders."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest

from webui.core.paths import PROGRAM_DIR
from webui.plugins import hooks
from webui.plugins.builtin.commands import commands

PAGES = [PROGRAM_DIR / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
PAGES += sorted((PROGRAM_DIR / "docs").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text("utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("specification", hooks.SPECIFICATIONS)
def test_each_hook_is_documented_with_its_arguments(specification: type) -> None:
    text = (PROGRAM_DIR / "docs" / "extensions.md").read_text("utf-8")
    for name, function in inspect.getmembers(specification, inspect.isfunction):
        arguments = [argument for argument in inspect.signature(function).parameters if argument != "self"]
        assert f"`{name}({', '.join(arguments)})`" in text


def test_commands_that_are_shown_exist() -> None:
    text = (PROGRAM_DIR / "README.md").read_text("utf-8")
    known = {row.name for row in commands()} | {"test"}
    assert set(re.findall(r"python launch\.py (\w+)", text)) <= known


def test_functions_of_the_prompt_language_are_where_the_page_says() -> None:
    text = (PROGRAM_DIR / "docs" / "prompts.md").read_text("utf-8").partition("## For programmers")[2]
    named = re.findall(r"`(\w+)\.(\w+)`", text)
    assert len(named) >= 7
    for module, function in named:
        found = getattr(import_module(f"webui.core.prompt.{module}"), function, None)
        assert inspect.isfunction(found) and next(iter(inspect.signature(found).parameters)) == "text", function


def test_every_package_is_pinned() -> None:
    for name in ("requirements.txt", "requirements-cuda.txt", "requirements-test.txt", "constraints.txt"):
        lines = (PROGRAM_DIR / name).read_text("utf-8").splitlines()
        loose = [line for line in lines if not re.fullmatch(r"#.*|[\w.-]+==[\w.]+", line)]
        assert loose == [], name


@pytest.mark.parametrize(
    "folder", ["Stable-diffusion", "VAE", "text_encoder", "Lora", "embeddings", "ControlNet", "ESRGAN", "BLIP"]
)
def test_each_model_folder_says_what_goes_there(folder: str) -> None:
    (note,) = (PROGRAM_DIR / "models" / folder).glob("put*here.txt")
    assert note.read_text("utf-8").startswith("Put ")


def test_it_is_said_when_the_tests_on_a_gpu_last_ran_and_on_what() -> None:
    text = (PROGRAM_DIR / "docs" / "benchmarks.md").read_text("utf-8")
    (section,) = re.findall(r"^## Tests on a GPU\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    header, _, *rows = re.findall(r"^\|(.+)\|$", section, re.MULTILINE)
    assert [cell.strip() for cell in header.split("|")] == ["Last run", "Card", "Result"]
    last = [[cell.strip() for cell in row.split("|")] for row in rows]
    # Never, until there is a first row with its day.
    assert last and all(
        re.match(r"\d{4}-\d{2}-\d{2}", when) or [when, card] == ["never", "none"] for when, card, _ in last
    )
    assert "`python launch.py test --gpu`" in section
