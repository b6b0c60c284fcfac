"""What an extension is called in other languages: read, what is wrong is named and left out, names are compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from webui.core.paths import PROGRAM_DIR
from webui.plugins.locales import Known, check_locales, read_locales

KNOWN = Known({"width": (), "colour": ("white", "black")}, ("seeds",), {"paste": "Paste", "n": "{n} of {all}"})


def write(folder: Path, name: str, text: str) -> None:
    (folder / "locales").mkdir(exist_ok=True)
    (folder / "locales" / name).write_text(text, encoding="utf-8")


def test_a_whole_file_is_read_by_its_language(tmp_path: Path) -> None:
    text = """
        title = "Rahmen"
        [fields]
        width = { label = "Breite" }
        colour = { help = "Die Farbe.", choices = { white = "weiß" } }
        [scripts]
        seeds = "Vier"
        [page]
        n = "{n} von {all}"
    """
    write(tmp_path, "pt-BR.toml", text)
    found, problems = read_locales(tmp_path)
    fields = {"width": {"label": "Breite"}, "colour": {"help": "Die Farbe.", "choices": {"white": "weiß"}}}
    page = {"n": "{n} von {all}"}
    assert found == {"pt-br": {"title": "Rahmen", "fields": fields, "scripts": {"seeds": "Vier"}, "page": page}}
    assert problems == [] and check_locales(found, KNOWN) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("titel = 'x'", "it has an unknown key 'titel'. Did you mean 'title'?"),
        ("title = 5", "title must be text in quotes."),
        ("title = ' '", "title must be text in quotes."),
        ("title = '" + "x" * 2001 + "'", "title is longer than 2,000 characters."),
        ("fields = 3", "fields must be a table"),
        ("fields = { width = 'x' }", "fields.width must be a table"),
        ("fields = { width = { labl = 'x' } }", "fields.width has an unknown key 'labl'. Did you mean 'label'?"),
        ("fields = { width = { choices = 'x' } }", "fields.width.choices must be a table"),
        ("scripts = { seeds = 1 }", "scripts.seeds must be text in quotes."),
        ("title = ", "It cannot be read: "),
        ("#" + "x" * 300_000, "It is longer than 256 kB."),
    ],
)
def test_what_is_wrong_is_named_and_left_out(tmp_path: Path, text: str, said: str) -> None:
    write(tmp_path, "de.toml", f'description = "Gut."\n{text}' if not text.startswith("title = \n") else text)
    found, problems = read_locales(tmp_path)
    assert any(problem.startswith(f"locales/de.toml: {said}") for problem in problems), problems
    assert set(found.get("de", {})) <= {"description"}


def test_files_of_no_language_are_named_and_none_is_needed(tmp_path: Path) -> None:
    assert read_locales(tmp_path) == ({}, [])
    write(tmp_path, "German.toml", "title = 'x'")
    found, (problem,) = read_locales(tmp_path)
    assert found == {} and "is named for no language" in problem


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ({"fields": {"widht": {"label": "x"}}}, "there is no field 'widht'. Did you mean 'width'?"),
        ({"fields": {"colour": {"choices": {"wite": "x"}}}}, "has no choice 'wite'. Did you mean 'white'?"),
        ({"scripts": {"seed": "x"}}, "there is no script 'seed'. Did you mean 'seeds'?"),
        ({"page": {"past": "x"}}, "the page has no text 'past'. Did you mean 'paste'?"),
        ({"page": {"n": "{n} von allen"}}, "must have the places of the English one: '{n} of {all}'."),
    ],
)
def test_names_are_compared_with_those_that_there_are(texts: dict[str, object], said: str) -> None:
    (problem,) = check_locales({"de": texts}, KNOWN)
    assert problem.startswith("locales/de: ") and said in problem


@pytest.mark.parametrize("folder", sorted(PROGRAM_DIR.glob("extensions/*/locales")), ids=lambda path: path.parent.name)
def test_bundled_ones_are_right(folder: Path) -> None:
    found, problems = read_locales(folder.parent)
    assert found and problems == []
