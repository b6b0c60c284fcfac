"""Emphasis over hand-made tables of A1111's rules, and over any text: weights are numbers, and nothing fails."""

import math
import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webui.core.prompt.emphasis import BREAK, MOST, Fragment, escaped, fragments, plain, weighs

B = "BREAK"

TABLE = [
    ("", []),
    ("a red circle", [("a red circle", 1)]),
    # Brackets.
    ("(a)", [("a", 1.1)]),
    ("((a))", [("a", 1.21)]),
    ("(((a)))", [("a", 1.331)]),
    ("[a]", [("a", 1 / 1.1)]),
    ("[[a]]", [("a", 1 / 1.21)]),
    ("([a])", [("a", 1)]),
    ("[(a)]", [("a", 1)]),
    ("a (b) c", [("a ", 1), ("b", 1.1), (" c", 1)]),
    ("a(b)c", [("a", 1), ("b", 1.1), ("c", 1)]),
    ("(a (b) c)", [("a ", 1.1), ("b", 1.21), (" c", 1.1)]),
    ("()", []),
    ("a()b", [("ab", 1)]),
    ("[]()", []),
    # Numbers.
    ("(a:1.3)", [("a", 1.3)]),
    ("(a:1)", [("a", 1)]),
    ("(a:0)", [("a", 0)]),
    ("(a:-0.5)", [("a", -0.5)]),
    ("(a:+2)", [("a", 2)]),
    ("(a:.5)", [("a", 0.5)]),
    ("(a:2.)", [("a", 2)]),
    ("(a: 1.3 )", [("a", 1.3)]),
    ("(red:0.2) circle", [("red", 0.2), (" circle", 1)]),
    ("((a:1.3))", [("a", 1.43)]),
    ("(((a:1.3)):2)", [("a", 2.86)]),
    ("((a:1.5) b:2)", [("a", 3), (" b", 2)]),
    ("[(a:1.1)]", [("a", 1)]),
    ("(a b:1.2:1.3)", [("a b:1.2", 1.3)]),
    ("(:1.3)", []),
    # No numbers: text, and the bracket ends as any other.
    ("(a:)", [("a:", 1.1)]),
    ("(a:b)", [("a:b", 1.1)]),
    ("(a:1.2.3)", [("a:1.2.3", 1.1)]),
    ("(a:.)", [("a:.", 1.1)]),
    ("(a:1e2)", [("a:1e2", 1.1)]),
    ("(a:1.3 b)", [("a:1.3 b", 1.1)]),
    (f"(a:{'9' * 400})", [(f"a:{'9' * 400}", 1.1)]),
    ("a:1.3", [("a:1.3", 1)]),
    ("a:1.3)", [("a:1.3)", 1)]),
    ("a:1.2.3)", [("a:1.2.3)", 1)]),
    ("[a:1.3]", [("a:1.3", 1 / 1.1)]),
    ("[a:1.3)", [("a:1.3)", 1 / 1.1)]),
    # Without an end, or without a beginning.
    ("(a", [("a", 1.1)]),
    ("a (b c", [("a ", 1), ("b c", 1.1)]),
    ("((a", [("a", 1.21)]),
    ("[a", [("a", 1 / 1.1)]),
    ("([a", [("a", 1)]),
    ("(a (b)", [("a ", 1.1), ("b", 1.21)]),
    ("(a (b:2)", [("a ", 1.1), ("b", 2.2)]),
    ("a)", [("a)", 1)]),
    ("a]", [("a]", 1)]),
    ("(a]", [("a]", 1.1)]),
    ("a) (b", [("a) ", 1), ("b", 1.1)]),
    # Across each other.
    ("(a[b)c]", [("a", 1.1), ("b", 1), ("c", 1 / 1.1)]),
    # Escapes.
    (r"\(a\)", [("(a)", 1)]),
    (r"\[a\]", [("[a]", 1)]),
    (r"(\(a\))", [("(a)", 1.1)]),
    (r"(a\)", [("a)", 1.1)]),
    (r"a\\b", [(r"a\b", 1)]),
    (r"\\(a)", [("\\", 1), ("a", 1.1)]),
    (r"a\b", [("ab", 1)]),
    ("a\\", [("a", 1)]),
    (r"(a:1.3\)", [("a:1.3)", 1.1)]),
    # Neighbours of equal weight.
    ("(a)(b)", [("ab", 1.1)]),
    ("(a:1.1)(b)", [("ab", 1.1)]),
    ("a(b:1)c", [("abc", 1)]),
    (r"a\(b\)c", [("a(b)c", 1)]),
    # BREAK.
    ("a BREAK b", [("a", 1), B, ("b", 1)]),
    ("a BREAK", [("a", 1), B]),
    ("BREAK a", [B, ("a", 1)]),
    ("BREAK", [B]),
    ("a BREAK BREAK b", [("a", 1), B, B, ("b", 1)]),
    ("a\nBREAK\nb", [("a", 1), B, ("b", 1)]),
    ("a,BREAK,b", [("a,", 1), B, (",b", 1)]),
    ("break Break", [("break Break", 1)]),
    ("BREAKS aBREAK", [("BREAKS aBREAK", 1)]),
    ("(a BREAK b)", [("a", 1.1), B, ("b", 1.1)]),
    ("(a) BREAK (b:2)", [("a", 1.1), B, ("b", 2)]),
    # All of it.
    (
        "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).",
        [
            ("a ", 1),
            ("house", 1.573),
            (" ", 1.1),
            ("on", 1),
            (" a ", 1.1),
            ("hill", 0.55),
            (", sun, ", 1.1),
            ("sky", 1.4641),
            (".", 1.1),
        ],
    ),
]


@pytest.mark.parametrize(("text", "parts"), TABLE)
def test_fragments(text, parts):
    expected = [BREAK if part == B else Fragment(part[0], pytest.approx(part[1])) for part in parts]
    assert list(fragments(text)) == expected


def test_words_alone():
    assert plain(r"a (red:1.3) [circle] \(old\) BREAK b") == "a red circle (old) b"
    assert plain("") == ""
    assert weighs("a (b)")
    assert not weighs(r"a \(b\) ([c]) BREAK (d:1)")
    assert weighs("(a)", "No norm") and not weighs("(a)", "Ignore") and not weighs("(a)", "None")
    assert plain(r"(a) BREAK \b", "None") == r"(a) BREAK \b"


@settings(max_examples=120, deadline=None)
@given(st.text("()[]:.\\ -13aBREAK\n", max_size=40))
def test_any_text_is_fragments(text):
    found = fragments(text)
    assert sum(len(one.text) for one in found) <= len(text)
    assert all(math.isfinite(one.weight) and abs(one.weight) <= MOST for one in found)
    assert all(one.ends_chunk or one.text for one in found)
    assert all(one.weight != other.weight or one.ends_chunk or other.ends_chunk for one, other in pairwise(found))


@settings(max_examples=60, deadline=None)
@given(st.text("()[]\\ ab1.:", max_size=30))
def test_what_is_escaped_has_no_weight(text):
    assert fragments(escaped(text)) == fragments(text, "None") == ((Fragment(text),) if text else ())


PIECES = st.lists(
    st.tuples(st.text("ab ,", min_size=1, max_size=5), st.sampled_from([0.5, 1.2, 2.0, -1.0])), max_size=6
)


@settings(max_examples=60, deadline=None)
@given(PIECES)
def test_what_is_weighted_reads_back(pieces):
    found = fragments("".join(f"({words}:{weight})" for words, weight in pieces))
    assert "".join(one.text for one in found) == "".join(words for words, _ in pieces)
    by_letter = [weight for words, weight in pieces for _ in words]
    assert [one.weight for one in found for _ in one.text] == by_letter


@pytest.mark.parametrize(
    "text",
    [
        "(" * 100_000,
        "(a" * 50_000,
        "(a" * 33_000 + ")" * 33_000,
        "[a" * 50_000,
        " " * 100_000,
        "BREAK " * 16_000,
        "(a:" + "1" * 100_000,
        ":1" * 50_000,
        "\\" * 100_000,
        "(a:2" * 20_000 + ")" * 20_000,
        ": " * 50_000,
    ],
)
def test_long_and_deep_texts_take_no_time(text):
    started = time.perf_counter()
    assert all(abs(one.weight) <= MOST for one in fragments(text))
    assert time.perf_counter() - started < 5


def test_deep_brackets_weigh_what_they_say():
    found = fragments("(a" * 2_000 + ")" * 2_000)
    assert [one.weight for one in found[:50]] == pytest.approx([1.1**depth for depth in range(1, 51)], rel=1e-6)
    assert found[-1].weight == MOST
    assert fragments("(b:0)" + "(a" * 1_001 + ":-1)" * 1_001)[:3] == (
        ("b", 0, False),
        ("a", -1, False),
        ("a", 1, False),
    )
