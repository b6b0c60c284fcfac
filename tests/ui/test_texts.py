"""The catalogue of texts: nothing missing, nothing left over, and in the tone of the house."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import webui.ui
from webui.core.fields import ROWS
from webui.ui.assets import SCRIPTS
from webui.ui.texts import EN, catalogue, t

INSIDE = (
    "you",
    "visitor",
    "about_left",
    "lacks",
    "not_usable",
    "queued_next",
    "offline_since",
    "no_prompt",
    "one_beside",
    "many_beside",
    "nothing",
)
"""Texts that stand inside a sentence or a line, and so begin small."""
INSIDE_STARTS = ("part_by_",)
UI = Path(webui.ui.__file__).parent
COMPOSED = (
    "field_",
    "help_",
    "setting_",
    "worker_",
    "key_",
    "kind_",
    "sort_",
    "card_",
    "task_",
    "works_",
    "merge_",
    "convert_",
    "style_",
    "part_by_",
)
CATALOGUES = ("texts.py", "work_texts.py", "prompt_texts.py")


def sources() -> str:
    files = [*UI.rglob("*.py"), *(UI / "assets" / name for name in SCRIPTS)]
    return "\n".join(path.read_text("utf-8") for path in files if path.name not in CATALOGUES)


def test_every_text_is_used() -> None:
    source = sources()
    quoted = set(re.findall(r"""["'](\w+)["']""", source)) | {"prompt_placeholder", "neg_prompt_placeholder"}
    unused = {key for key in EN if key not in quoted and not key.startswith(COMPOSED)}
    assert not unused


def test_labels_are_the_fields_own() -> None:
    for row in ROWS:
        assert EN[f"field_{row.name}"] == row.label


@pytest.mark.parametrize("key", [key for key in EN if not key.startswith(("field_", "help_"))])
def test_texts_are_in_the_tone_of_the_house(key: str) -> None:
    text = EN[key]
    assert text == text.strip() and text
    assert "!" not in text and "please" not in text.lower()
    assert text[0].isupper() or text[0] in "{→1" or key in INSIDE or key.startswith(INSIDE_STARTS)


def test_gradio_gets_the_catalogue() -> None:
    assert catalogue().translations_dict["en"] == EN
    assert t("generate").key == "generate"
    with pytest.raises(KeyError, match="no_such_text"):
        t("no_such_text")


def test_further_languages_are_whole_and_written_as_browsers_write_them() -> None:
    found = catalogue({"pt-br": {"paste": "Colar"}, "en": {"paste": "Other"}}).translations
    assert set(found) == {"en", "pt-BR"} and found["en"] == EN
    assert found["pt-BR"] == {**EN, "paste": "Colar"}
