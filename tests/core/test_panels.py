"""The fields of extensions: whatever rows there are and whatever is set, a request says it, and reads it again."""

from __future__ import annotations

import json
import math
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webui.core import infotext
from webui.core.errors import DarkroomError, Faults, InvalidField, InvalidRequest, UnknownName
from webui.core.field import Field
from webui.core.frozen import FrozenMap
from webui.core.panel_rows import make_panel
from webui.core.panels import (
    NOTHING,
    Panel,
    Panels,
    accept_extensions,
    change_defaults,
    check_loaded,
    read_extensions,
    stored_defaults,
)
from webui.core.request import GenerationRequest

SHIFT = Field("shift", "int", "Shift", "How far.", 0, minimum=0, maximum=10, step=1)
MODE = Field("mode", "choice", "Mode", "Which way.", "left", choices=("left", "right"))
NOTE = Field("note", "text", "Note", "What to say.", "none", maximum=50)
ENABLED = Field("enabled", "bool", "Enable", "Use it.", False)
# A name that the core has too.
STEPS = Field("steps", "float", "Steps", "How much.", 0.5, minimum=0.0, maximum=1.0)

DEMO = make_panel("demo", "Demo", [SHIFT, MODE, NOTE, STEPS], "Shifts.")
SWITCHED = make_panel("with-switch", "Switched", [ENABLED, SHIFT])
PANELS: Panels = {panel.name: panel for panel in (DEMO, SWITCHED)}
DEFAULTS = {"shift": 0, "mode": "left", "note": "none", "steps": 0.5}

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)


def accepted(given_: Any, panels: Panels = PANELS, **options: Any) -> FrozenMap[FrozenMap[Any]]:
    faults = Faults()
    found = accept_extensions(given_, panels, options.pop("defaults", {}), options.pop("absent", {}), faults, **options)
    faults.raise_found()
    return found


def refused(given_: Any, **options: Any) -> InvalidField:
    with pytest.raises(InvalidField) as found:
        accepted(given_, **options)
    return found.value


@st.composite
def rows(draw: st.DrawFn) -> Field:
    """Any row that an extension may declare; its name is given later."""
    kind = draw(st.sampled_from(["int", "float", "bool", "choice", "text"]))
    label = draw(st.text(min_size=1, max_size=70).filter(str.strip))
    said: dict[str, Any] = {}
    default: Any = draw(st.booleans())
    if kind == "int":
        low = draw(st.integers(-(2**53), 2**53 - 1))
        high = draw(st.integers(low + 1, 2**53))
        said, default = {"minimum": low, "maximum": high}, draw(st.integers(low, high))
    elif kind == "float":
        low, high = sorted(
            draw(st.tuples(st.floats(-1e15, 1e15), st.floats(-1e15, 1e15)).filter(lambda p: p[0] != p[1]))
        )
        said, default = {"minimum": low, "maximum": high}, draw(st.floats(low, high))
    elif kind == "choice":
        names = draw(st.lists(TEXT.map(str.strip).filter(bool), min_size=1, max_size=4, unique_by=str.casefold))
        said, default = {"choices": tuple(names)}, draw(st.sampled_from(names))
    elif kind == "text":
        said, default = {"maximum": 30}, draw(TEXT)
    return Field("x", kind, label, "What it does.", default, **said)


@st.composite
def panels(draw: st.DrawFn) -> Panel:
    found = draw(st.lists(rows(), min_size=1, max_size=4))
    named = [
        Field(f"field_{n}", *(getattr(row, a) for a in ("kind", "label", "help", "default")), **_limits(row))
        for n, row in enumerate(found)
    ]
    if draw(st.booleans()):
        named.append(ENABLED)
    title = draw(st.text(min_size=1, max_size=70))
    return make_panel("some-name", title, named, "", infotext.is_taken)


def _limits(row: Field) -> dict[str, Any]:
    return {"minimum": row.minimum, "maximum": row.maximum, "choices": row.choices}


def values_of(row: Field) -> st.SearchStrategy[Any]:
    if row.kind == "bool":
        return st.booleans()
    if row.kind == "text":
        return TEXT
    if row.kind == "choice":
        return st.sampled_from(row.choices)
    assert row.minimum is not None and row.maximum is not None
    return st.integers(int(row.minimum), int(row.maximum)) if row.kind == "int" else st.floats(row.minimum, row.maximum)


@given(st.data(), panels())
def test_what_is_set_comes_back_from_json_a_pickle_and_a_picture_s_text(data: st.DataObject, panel: Panel) -> None:
    known = {panel.name: panel}
    values = {name: data.draw(values_of(row)) for name, row in panel.rows.items()}
    extensions = accepted({panel.name: values}, known)
    assert extensions == ({panel.name: values} if panel.is_on(values) else {})
    request = GenerationRequest(prompt="a cat", extensions=extensions)
    assert GenerationRequest.from_json(json.loads(request.dumps())) == request
    assert pickle.loads(pickle.dumps(request)) == request and hash(request) == hash(pickle.loads(pickle.dumps(request)))
    assert accepted(request.to_json()["extensions"], known, whole=True) == extensions
    parsed = infotext.parse(infotext.write(request, 0, "Darkroom 1", panels=known), known)
    assert accepted(parsed.values["extensions"], known) == extensions
    assert (parsed.prompt, parsed.unknown) == ("a cat", {"Version": "Darkroom 1"})
    assert parsed.values["steps"] == request.steps, "the core's own are read as ever"


def test_a_picture_s_text_says_what_is_no_default_under_title_and_label() -> None:
    request = GenerationRequest(extensions=accepted({"demo": {"shift": 3, "note": ""}}))
    text = infotext.write(request, 0, "Darkroom 1", panels=PANELS)
    assert text.endswith(', Demo Shift: 3, Demo Note: "", Version: Darkroom 1')
    assert infotext.parse(text, PANELS).values["extensions"] == {"demo": {"shift": 3, "note": ""}, "with-switch": None}
    assert infotext.parse(text).unknown["Demo Shift"] == "3", "it stands there for whoever has not that extension"
    assert "extensions" not in infotext.parse("just a prompt", PANELS).values
    wrong = infotext.parse(text.replace("Demo Shift: 3", "Demo Shift: 99"), PANELS)
    assert (wrong.values["extensions"]["demo"], wrong.unknown["Demo Shift"]) == ({"note": ""}, "99")


def test_absent_means_off() -> None:
    assert accepted(None) == accepted({}) == accepted({"demo": None}) == accepted({"demo": DEFAULTS}) == NOTHING
    assert accepted({"demo": {"shift": 1}}) == {"demo": {**DEFAULTS, "shift": 1}}
    assert accepted({"with-switch": {"shift": 4}}) == NOTHING, "what is switched off does not count"
    assert accepted({"with-switch": {"shift": 4, "enabled": True}}) == {"with-switch": {"enabled": True, "shift": 4}}
    assert accepted({"demo": {"shift": None, "mode": "RIGHT"}})["demo"]["mode"] == "right"


def test_the_settings_give_defaults_but_not_to_a_whole_request() -> None:
    own = {"demo": {"shift": 2}}
    assert accepted({}, defaults=own)["demo"]["shift"] == 2
    assert accepted({"demo": {"mode": "right"}}, defaults=own)["demo"] == {**DEFAULTS, "shift": 2, "mode": "right"}
    assert accepted({"demo": None}, defaults=own) == accepted({}, defaults=own, whole=True) == NOTHING
    assert accepted({"demo": {"mode": "right"}}, defaults=own, whole=True)["demo"]["shift"] == 0


@pytest.mark.parametrize(
    ("asked", "field", "said"),
    [
        ({"dmeo": {"shift": 1}}, "extensions.dmeo", "Did you mean 'demo'?"),
        ({"demo": {"shfit": 1}}, "extensions.demo.shfit", "Did you mean 'shift'?"),
        ({"demo": {"zzz": 1}}, "extensions.demo.zzz", "It has: shift, mode, note, steps."),
        ({"demo": {"shift": "3"}}, "extensions.demo.shift", "must be a number"),
        ({"demo": {"shift": True}}, "extensions.demo.shift", "must be a number"),
        ({"demo": {"shift": 2.5}}, "extensions.demo.shift", "must be a whole number"),
        ({"demo": {"shift": 11}}, "extensions.demo.shift", "between 0 and 10"),
        ({"demo": {"steps": math.nan}}, "extensions.demo.steps", "must be a number, not NaN"),
        ({"demo": {"steps": math.inf}}, "extensions.demo.steps", "must be a number"),
        ({"demo": {"steps": 10**400}}, "extensions.demo.steps", "far out of range"),
        ({"demo": {"mode": "up"}}, "extensions.demo.mode", "one of left, right"),
        ({"demo": {"note": "x" * 51}}, "extensions.demo.note", "at most 50"),
        ({"demo": {"note": "\ud800"}}, "extensions.demo.note", "surrogate"),
        ({"with-switch": {"enabled": 1}}, "extensions.with-switch.enabled", "true or false"),
        ({"demo": [1]}, "extensions.demo", "an object of objects"),
        ({"demo": 3}, "extensions.demo", "an object of objects"),
        ([], "extensions", "an object of objects"),
        ("demo", "extensions", "an object of objects"),
        ({"x" * 5000: {"y": 1}}, "extensions." + "x" * 60, "Unknown extension"),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_is_refused_at_its_place(asked: Any, field: str, said: str) -> None:
    error = refused(asked)
    assert (error.field, said in error.detail) == (field, True), error.detail
    assert len(error.detail) < 400


def test_all_that_is_wrong_is_told_at_once() -> None:
    error = refused({"demo": {"shift": 99, "mode": "up"}, "other": {"x": 1}})
    assert isinstance(error, InvalidRequest)
    assert {one.field for one in error.errors} == {"extensions.demo.shift", "extensions.demo.mode", "extensions.other"}


def test_an_extension_that_was_found_and_cannot_be_used_says_why() -> None:
    error = refused({"demo": {"shift": 1}}, panels={}, absent={"demo": "It is switched off in the settings."})
    assert error.detail == "The extension 'demo' cannot be used. It is switched off in the settings."
    assert error.field == "extensions.demo" and error.remedies == ("Leave 'demo' out",)
    for off in (None, {}, {"enabled": False, "shift": 7}, {"shift": 0, "note": ""}):
        assert accepted({"demo": off}, {}) == NOTHING, "what is gone and was off is nobody's trouble"
    assert isinstance(refused({"demo": {"enabled": True}}, panels={}), UnknownName)


def test_a_stored_request_reads_whatever_extensions_are_there() -> None:
    data = GenerationRequest(prompt="x").to_json() | {"extensions": {"gone": {"speed": 1.5, "on": True, "word": "a"}}}
    request = GenerationRequest.from_json(data)
    assert request.extensions == {"gone": {"speed": 1.5, "on": True, "word": "a"}}
    assert GenerationRequest.from_json(json.loads(request.dumps())) == request
    with pytest.raises(UnknownName, match="Unknown extension 'gone'"):
        check_loaded(request.extensions, PANELS)
    with pytest.raises(InvalidField, match="has no field 'old'"):
        check_loaded(read_extensions({"demo": {"old": 1}}), PANELS)
    check_loaded(accepted({"demo": {"shift": 1}}), PANELS)


@pytest.mark.parametrize(
    "data",
    [
        *(None, 3, [], {"a": 3}, {3: {}}),
        *({"a": {"b": value}} for value in (None, [1], math.nan, "x" * 10**6)),
    ],
)  # fmt: skip
def test_a_stored_request_of_another_form_is_refused(data: Any) -> None:
    with pytest.raises(InvalidField, match="an object of objects"):
        read_extensions(data)


def test_hooks_get_all_fields_read_only() -> None:
    options = DEMO.options(accepted({"demo": {"shift": 3}}))
    assert options == {**DEFAULTS, "shift": 3}
    assert DEMO.options(NOTHING) == DEFAULTS
    with pytest.raises(TypeError):
        options["shift"] = 4  # type: ignore[index]


def test_settings_keep_what_is_no_default_and_what_they_do_not_know() -> None:
    stored = change_defaults({"demo": {"shift": 2, "mode": "Right"}}, {"gone": {"x": 1}}, PANELS)
    assert stored == {"demo": {"shift": 2, "mode": "right"}, "gone": {"x": 1}}
    assert change_defaults({"demo": {"shift": 0, "mode": None}}, stored, PANELS) == {"gone": {"x": 1}}
    assert stored_defaults(stored, PANELS) == {"demo": {"shift": 2, "mode": "right"}}
    assert stored_defaults({"demo": {"shift": 99, "old": 1, "mode": "right"}}, PANELS) == {"demo": {"mode": "right"}}
    for wrong in ({"demo": {"shift": 11}}, {"demo": {"x": 1}}, {"gone": {"x": 2}}, {"demo": 3}, [], 3):
        with pytest.raises(InvalidField):
            change_defaults(wrong, stored, PANELS)


def row(**said: Any) -> Field:
    return Field(**{"name": "a", "kind": "bool", "label": "A", "help": "B.", "default": False} | said)


NUMBER = {"kind": "float", "default": 0.5, "minimum": 0.0, "maximum": 1.0}


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"name": "A"}, "small letters"), ({"name": "a-b"}, "small letters"), ({"name": ""}, "small letters"),
        ({"name": 3}, "small letters"), ({"name": "a" * 41}, "small letters"),
        ({"kind": "integer"}, "no kind 'integer'. Did you mean 'int'?"), ({"kind": None}, "no kind"),
        ({"label": ""}, "a label and a help"), ({"help": None}, "a label and a help"),
        ({"default": 3}, "Its default is none that it takes"), ({"catalogue": "samplers"}, "says catalogue"),
        ({"flags": ("--x",)}, "says flags"), ({"abilities": ("cfg",)}, "says abilities"),
        ({"minimum": 1}, "says minimum"), ({"kind": "int", "default": 1}, "needs a minimum and a maximum"),
        ({**NUMBER, "maximum": math.inf}, "needs a minimum and a maximum"),
        ({**NUMBER, "minimum": "0"}, "needs a minimum and a maximum"), ({**NUMBER, "minimum": 1}, "must be below"),
        ({**NUMBER, "step": 0}, "Its step"), ({**NUMBER, "step": 5}, "Its step"),
        ({**NUMBER, "multiple": 2}, "says multiple"),
        ({**NUMBER, "slider": (0, 2), "step": 0.1}, "Its slider"), ({**NUMBER, "slider": (0, 0.5)}, "Its slider"),
        ({**NUMBER, "slider": 3, "step": 0.1}, "cannot be read"), ({**NUMBER, "default": 7}, "Its default is none"),
        ({"kind": "choice", "default": "x"}, "Its choices"),
        ({"kind": "choice", "choices": "abc", "default": "a"}, "Its choices"),
        ({"kind": "choice", "choices": ("a", "A"), "default": "a"}, "the same but for capitals"),
        ({"kind": "choice", "choices": (" a",), "default": "a"}, "Its choices"),
        ({"kind": "text", "default": "", "maximum": 10**6}, "Its maximum"), ({"infotext": "a: b"}, "Its infotext"),
        ({"infotext": "Steps"}, "means something else"), ({"infotext": "Module 1"}, "means something else"),
        ({"infotext": "version"}, "means something else"), ({"infotext": "guidance scale"}, "means something else"),
        ({"name": "enabled", "default": True}, "switches the extension on"),
        ({"name": "enabled", **NUMBER}, "switches the extension on"),
    ],
)  # fmt: skip
def test_a_row_that_makes_no_sense_is_refused_with_its_name(said: dict[str, Any], why: str) -> None:
    with pytest.raises(DarkroomError) as found:
        make_panel("demo", "Demo", [row(**said)], "", infotext.is_taken)
    assert why in found.value.detail and "field" in found.value.detail


def test_two_fields_of_one_name_and_too_many_are_refused() -> None:
    with pytest.raises(DarkroomError, match="Two of its fields are called 'a'"):
        make_panel("demo", "Demo", [row(), row()])
    with pytest.raises(DarkroomError, match="at most 200"):
        make_panel("demo", "Demo", [row(name=f"a{n}") for n in range(201)])


def test_keys_that_would_be_the_same_or_cannot_be_written_take_the_plain_names() -> None:
    panel = make_panel(
        "demo", "Demo: (one)", [row(), row(name="b"), row(name="c", label="★"), row(name="d", infotext="Own key")]
    )
    assert [one.infotext for one in panel.rows.values()] == ["Demo one A", "demo b", "Demo one", "Own key"]
    assert make_panel("demo", "★", [row(label="★")]).rows["a"].infotext == "demo a"
    assert make_panel("seed", "Model", [row(label="hash")], "", infotext.is_taken).rows["a"].infotext == "seed a"


def test_a_map_is_a_value() -> None:
    one, other = FrozenMap({"b": 1, "a": FrozenMap({"x": 2})}), FrozenMap({"a": FrozenMap({"x": 2}), "b": 1})
    assert one == other == {"a": {"x": 2}, "b": 1} and hash(one) == hash(other) and list(one) == ["a", "b"]
    assert one.to_json() == {"a": {"x": 2}, "b": 1} and type(one.to_json()["a"]) is dict
    assert one != FrozenMap({"a": 1}) and len(FrozenMap()) == 0
