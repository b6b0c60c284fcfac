"""The layers of a prompt are read in A1111's order, and what has no weights gets words alone."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webui.core.prompt.networks import Network
from webui.core.prompt.wording import Part, Rules, Wording, read_negative, read_prompt

TEN = Rules(10)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a", [([(10, "a")], 1)]),
        ("", [([(10, "")], 1)]),
        ("a # AND b", [([(10, "a")], 1)]),
        ("a # [\nAND b :2", [([(10, "a")], 1), ([(10, " b")], 2)]),
        ("a <lora:x:1> AND b :0.5", [([(10, "a")], 1), ([(10, " b")], 0.5)]),
        ("<lora:a AND b:1>c", [([(10, "c")], 1)]),
        ("[a:b:3] AND [c|d]", [([(3, "a"), (10, "b")], 1), ([(s, " c" if s % 2 else " d") for s in range(1, 11)], 1)]),
        ("[a<lora:x:1>:b:3]", [([(3, "a"), (10, "b")], 1)]),
        # AND is the outermost layer, so what is left on its sides is no part of a whole.
        ("[a AND b:3]", [([(10, "[a")], 1), ([(10, " b:3]")], 1)]),
    ],
)
def test_layers(text, parts):
    assert [(list(part.entries), part.weight) for part in read_prompt(text, TEN).parts] == parts


def test_networks_are_told():
    assert read_prompt("a <lora:x:0.5> # <lora:y:1>", TEN).networks == (Network("lora", "x", ("0.5",)),)


def test_in_a_negative_prompt_and_and_networks_are_words():
    wording = read_negative("a AND <lora:x:1> [b:c:5] :2 # d", TEN)
    assert wording == Wording((Part(((5, "a AND <lora:x:1> b :2 "), (10, "a AND <lora:x:1> c :2 "))),))


def test_what_the_rules_change():
    assert read_prompt("a # b", Rules(10, comments=False)).texts == ("a # b",)
    assert read_prompt("[a:b:1.0]", Rules(10)).texts == ("a",)
    assert read_prompt("[a:b:1.0]", Rules(10, old=True)).texts == ("a", "b")
    assert read_prompt("[a:b:1.5]", Rules(10, hires_calls=4)).parts[0].entries == ((2, "a"), (4, "b"))


def test_what_a_wording_says_of_itself():
    plain, changing, composed = (read_prompt(text, TEN) for text in ("(a)", "[a|b|a]", "a AND b"))
    assert (plain.is_composed, changing.is_composed, composed.is_composed) == (False, False, True)
    assert read_prompt("a :2", TEN).is_composed
    assert (plain.changes, changing.changes, read_prompt("[a:a:3]", TEN).changes) == (False, True, False)
    assert changing.texts == ("a", "b") and composed.texts == ("a", " b")
    assert (plain.weighs(), plain.weighs("Ignore"), changing.weighs()) == (True, False, False)


def test_words_alone():
    wording = read_prompt(r"[(a:2):b \(c\):3] BREAK d AND ((e)) :2", TEN).without_emphasis()
    assert wording.parts == (Part(((3, "a d"), (10, "b (c) d"))), Part(((10, " e"),), 2.0))
    assert read_prompt("(a)", TEN).without_emphasis("None").texts == ("(a)",)


@settings(max_examples=60, deadline=None)
@given(st.text("[](): |\\.13ab\nAND#<>l", max_size=40), st.integers(1, 9))
def test_any_text_is_a_wording(text, calls):
    for wording in (read_prompt(text, Rules(calls)), read_negative(text, Rules(calls))):
        assert all(part.entries[-1].until == calls for part in wording.parts)
        assert wording.without_emphasis().texts and wording.texts
