"""The fields that say how prompts are read: A1111's keys in infotexts, what is said, and what old texts mean."""

from __future__ import annotations

from typing import Any

import pytest

from webui.core import infotext
from webui.core.fields import FIELDS
from webui.core.language_fields import LANGUAGE_OPTIONS, is_read_the_old_way
from webui.core.request import GenerationRequest

PICTURE = "a [b:0.5]\nSteps: 20, Sampler: Euler, CFG scale: 7, Seed: 1, Size: 512x512"
CHANGED: dict[str, tuple[Any, str]] = {
    "emphasis": ("No norm", "Emphasis: No norm"),
    "comma_padding_backtrack": (0, "Prompt word wrap length limit: 0"),
    "use_old_scheduling": (True, "Old prompt editing timelines: True"),
    "enable_prompt_comments": (False, "Prompt comments: False"),
}


@pytest.mark.parametrize("name", LANGUAGE_OPTIONS)
def test_what_was_changed_is_said_and_comes_back(name: str) -> None:
    value, said = CHANGED[name]
    request = GenerationRequest(prompt="a # b", seed=1, **{name: value})
    text = infotext.write(request)
    assert said in text
    assert infotext.parse(text).values[name] == value
    others = infotext.write(request.but(**{name: FIELDS[name].default}))
    assert not any(key.split(":")[0] in others for _, key in CHANGED.values())


@pytest.mark.parametrize("mode", ["Original", "No norm", "Ignore", "None"])
def test_the_modes_are_a1111s(mode: str) -> None:
    assert infotext.parse(f"{PICTURE}, Emphasis: {mode}").values["emphasis"] == mode


@pytest.mark.parametrize(
    ("version", "prompt", "old"),
    [
        ("v1.5.2", "a [b:0.5]", True),
        ("v1.2.0-84-gabc", "a [b:0.5]", True),
        ("v1.6.0", "a [b:0.5]", False),
        ("v1.10.1", "a [b:0.5]", False),
        ("f2.0.1v1.10.1-previous-1", "a [b:0.5]", False),
        ("v1.5.2", "a (b:0.5)", False),
        ("Darkroom 0.1.0", "a [b:0.5]", False),
        ("", "a [b:0.5]", False),
    ],
)
def test_texts_of_a1111_before_1_6_mean_what_they_meant(version: str, prompt: str, old: bool) -> None:
    assert is_read_the_old_way(version, prompt) is old
    text = PICTURE.replace("a [b:0.5]", prompt) + (f", Version: {version}" if version else "")
    assert infotext.parse(text).values.get("use_old_scheduling", False) is old


def test_what_a_text_says_itself_counts() -> None:
    said = infotext.parse(f"{PICTURE}, Old prompt editing timelines: False, Version: v1.5.2")
    assert said.values["use_old_scheduling"] is False
