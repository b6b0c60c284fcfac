"""How prompts are read, from settings and texts into requests; what is not said is as in A1111."""

from __future__ import annotations

from typing import Any

import pytest

from webui.core import infotext
from webui.core.errors import InvalidField
from webui.core.fields import FIELDS
from webui.core.language_fields import LANGUAGE_OPTIONS

PICTURE = "a (red:1.2) [circle:square:0.5]\nSteps: 4, Seed: 1, Sampler: Euler, CFG scale: 7, Size: 64x64"
OTHERS: dict[str, Any] = {
    "emphasis": "None",
    "comma_padding_backtrack": 0,
    "use_old_scheduling": True,
    "enable_prompt_comments": False,
}


@pytest.mark.parametrize("name", LANGUAGE_OPTIONS)
def test_what_is_asked_is_said_and_read_again(accepted: Any, read: Any, name: str) -> None:
    made = accepted(**{name: OTHERS[name]})
    assert getattr(made, name) == OTHERS[name]
    assert read(infotext.write(made, version="Darkroom 1"))[name] == OTHERS[name]


@pytest.mark.parametrize("name", LANGUAGE_OPTIONS)
def test_a_setting_is_the_default_and_a_text_that_does_not_say_it_means_a1111s(
    accepted: Any, read: Any, name: str
) -> None:
    assert getattr(accepted({name: OTHERS[name]}), name) == OTHERS[name]
    said = read(f"{PICTURE}, Version: v1.10.1")
    assert said[name] == FIELDS[name].default
    assert getattr(accepted({name: OTHERS[name]}, **said), name) == FIELDS[name].default


def test_a_text_of_an_old_a1111_is_read_the_old_way(read: Any) -> None:
    assert read(f"{PICTURE}, Version: v1.5.1")["use_old_scheduling"] is True


def test_a_mode_that_is_none_is_refused_with_those_that_there_are(accepted: Any) -> None:
    with pytest.raises(InvalidField, match="must be one of Original, No norm, Ignore, None, not 'loud'"):
        accepted(emphasis="loud")
    assert accepted(emphasis="no norm").emphasis == "No norm"
