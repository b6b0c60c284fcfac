"""What is asked of extensions, accepted with a request and read from a picture's text."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from webui import accept
from webui.core import infotext
from webui.core.errors import InvalidField
from webui.core.field import Field
from webui.core.fields import ROWS
from webui.core.panel_rows import make_panel
from webui.core.registry import Registry
from webui.core.settings import Settings
from webui.engine.checkpoints.catalogue import Catalogue

DEMO = make_panel("demo", "Demo", [Field("steps", "int", "Steps", "How many.", 0, minimum=0, maximum=10)])


@pytest.fixture
def registry(registry: Registry) -> Registry:
    return replace(registry, panels={"demo": DEMO})


def test_a_request_holds_what_is_on(accepted: Any) -> None:
    assert accepted(extensions={"demo": {"steps": 3}}, steps=7).extensions == {"demo": {"steps": 3}}
    assert accepted(extensions={"demo": {"steps": 3}}, steps=7).steps == 7, "a name of the core's is another field"
    assert accepted().extensions == accepted(extensions=None).extensions == {}
    with pytest.raises(InvalidField, match="between 0 and 10") as found:
        accepted(extensions={"demo": {"steps": 11}})
    assert found.value.field == "extensions.demo.steps"


def test_what_was_accepted_is_accepted_as_it_is_whatever_the_settings_say(accepted: Any) -> None:
    own = {"extensions": {"demo": {"steps": 4}}}
    assert accepted(own).extensions == {"demo": {"steps": 4}}
    off = accepted(own, extensions={"demo": None})
    assert off.extensions == {}
    assert accepted(own, **off.to_json()) == off
    assert accepted({"extensions": {"demo": {"steps": 99}, "gone": {"x": 1}}}).extensions == {}


def test_an_extension_that_the_worker_left_out_is_refused(catalogue: Catalogue, registry: Registry) -> None:
    def resolve(**values: Any) -> Any:
        values = {"checkpoint": "sham", **values}
        settings = Settings(extensions={"demo": {"steps": 4}})
        return accept.resolve(values, registry, catalogue, settings, ROWS, {"demo": "Its worker.py failed to load."})

    with pytest.raises(InvalidField, match=r"'demo' cannot be used\. Its worker\.py failed to load\."):
        resolve(extensions={"demo": {"steps": 3}})
    assert resolve().extensions == {}, "defaults of what cannot be used are none"


def test_a_picture_s_text_says_it_and_means_it(accepted: Any, catalogue: Catalogue, registry: Registry) -> None:
    request = accepted(extensions={"demo": {"steps": 3}}, seed=1)
    text = infotext.write(request, 0, "Darkroom 1", panels=registry.panels)
    read = accept.canonical(infotext.parse(text, registry.panels), registry, catalogue).values
    assert read["extensions"] == {"demo": {"steps": 3}}
    assert accepted(**read).extensions == request.extensions
    plain = infotext.write(accepted(seed=1), 0, panels=registry.panels)
    read = accept.canonical(infotext.parse(plain, registry.panels), registry, catalogue).values
    assert accepted({"extensions": {"demo": {"steps": 4}}}, **read).extensions == {}, "it was made without"
