"""AND and its weights, and comments, over hand-made tables; nothing that is typed fails."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webui.core.prompt.comments import without_comments
from webui.core.prompt.composition import sub_prompts


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", [("", 1)]),
        ("a red circle", [("a red circle", 1)]),
        ("a AND b", [("a", 1), (" b", 1)]),
        ("a AND b AND c", [("a", 1), (" b", 1), (" c", 1)]),
        ("a :1.5 AND b :0.5", [("a", 1.5), (" b", 0.5)]),
        ("a:1.5 AND b: .5", [("a", 1.5), (" b", 0.5)]),
        ("a AND b :-1", [("a", 1), (" b", -1)]),
        ("a AND b :+2.", [("a", 1), (" b", 2)]),
        ("a AND b :0", [("a", 1), (" b", 0)]),
        ("a\nAND\nb :2 \n", [("a", 1), ("\nb", 2)]),
        ("a AND", [("a", 1), ("", 1)]),
        ("AND a", [("", 1), (" a", 1)]),
        ("AND", [("", 1), ("", 1)]),
        # Also where there is no AND.
        ("a :1.5", [("a", 1.5)]),
        ("at 16:9", [("at 16", 9)]),
        # No AND, or no weight.
        ("a and b", [("a and b", 1)]),
        ("SAND ANDY", [("SAND ANDY", 1)]),
        ("a_AND_b", [("a_AND_b", 1)]),
        ("(a:1.2) AND b", [("(a:1.2)", 1), (" b", 1)]),
        ("a :1.2.3", [("a :1.2.3", 1)]),
        ("a : AND b", [("a :", 1), (" b", 1)]),
        ("a :1e3", [("a :1e3", 1)]),
        (f"a :{'9' * 400}", [(f"a :{'9' * 400}", 1)]),
        ("a 1.5", [("a 1.5", 1)]),
        ("a :1 :2", [("a :1", 2)]),
        # Brackets do not hold it together.
        ("[a AND b:3]", [("[a", 1), (" b:3]", 1)]),
        ("(a AND b:2)", [("(a", 1), (" b:2)", 1)]),
    ],
)
def test_sub_prompts(text, parts):
    assert list(sub_prompts(text)) == parts


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("", ""),
        ("a cat", "a cat"),
        ("a cat # black", "a cat "),
        ("a # b\nc", "a \nc"),
        ("# b\nc", "c"),
        ("a\n# b\nc", "a\nc"),
        ("a\n# b", "a"),
        ("#", ""),
        ("a # b # c\nd", "a \nd"),
        ("a\n #b\nc", "a\n \nc"),
        (r"a \# b", "a \\"),
        ("a\n\nb", "a\n\nb"),
    ],
)
def test_comments(text, rest):
    assert without_comments(text) == rest


@settings(max_examples=80, deadline=None)
@given(st.text("#ab \n\\", max_size=30))
def test_comments_go_once_and_for_all(text):
    rest = without_comments(text)
    assert "#" not in rest
    assert without_comments(rest) == rest
    assert len(rest) <= len(text)


@settings(max_examples=80, deadline=None)
@given(st.text("AND :.1-x\n", max_size=30))
def test_any_text_is_sub_prompts(text):
    assert sum(len(one.text) for one in sub_prompts(text)) <= len(text)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.text("ab ,", max_size=6), st.integers(-9, 9)), min_size=1, max_size=5))
def test_what_is_composed_reads_back(parts):
    found = sub_prompts("AND".join(f" {words} :{weight} " for words, weight in parts))
    assert [(one.text, one.weight) for one in found] == [(f" {words}".rstrip(), weight) for words, weight in parts]


@pytest.mark.parametrize("text", [" " * 100_000 + "x", "AND " * 25_000, "a" + ": 1" * 33_000, "#\n" * 50_000])
def test_long_texts_take_no_time(text):
    started = time.perf_counter()
    sub_prompts(text)
    without_comments(text)
    assert time.perf_counter() - started < 2
