"""Prompt editing over hand-made tables of A1111's rules, and over any text: it is a value, and never fails."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webui.core.prompt.schedule import schedule

TEN = [
    # Plain texts, and what is no part of this layer.
    ("", [(10, "")]),
    ("a red circle", [(10, "a red circle")]),
    ("(a:1.2) [b] (c)", [(10, "(a:1.2) [b] (c)")]),
    ("[]", [(10, "[]")]),
    ("[b]", [(10, "[b]")]),
    ("()", [(10, "()")]),
    ("a: b: 3", [(10, "a: b: 3")]),
    # From one text to another, whole steps.
    ("[red:green:5]", [(5, "red"), (10, "green")]),
    ("a [red:green:5] circle", [(5, "a red circle"), (10, "a green circle")]),
    ("[red:green:1]", [(1, "red"), (10, "green")]),
    ("[red:green:9]", [(9, "red"), (10, "green")]),
    ("[red : green : 3]", [(3, "red "), (10, " green ")]),
    # From nothing, and to nothing.
    ("a [b:3]", [(3, "a "), (10, "a b")]),
    ("[b::3] a", [(3, "b a"), (10, " a")]),
    ("[:b:3]", [(3, ""), (10, "b")]),
    ("[::3]", [(3, ""), (10, "")]),
    ("[:3]", [(3, ""), (10, "")]),
    # Fractions have a point.
    ("[red:green:0.5]", [(5, "red"), (10, "green")]),
    ("[red:green:.5]", [(5, "red"), (10, "green")]),
    ("[red:green:0.25]", [(2, "red"), (10, "green")]),
    ("[red:green:0.99]", [(9, "red"), (10, "green")]),
    ("[red:green:1.]", [(10, "red")]),
    ("[red:green:1.0]", [(10, "red")]),
    ("[red:green:2.5]", [(10, "red")]),
    ("[red:green:1.5e-1]", [(1, "red"), (10, "green")]),
    # Without a point an exponent is a whole number.
    ("[red:green:5e0]", [(5, "red"), (10, "green")]),
    ("[red:green:1E1]", [(10, "red")]),
    # Signs, blanks, the ends.
    ("[red:green:+5]", [(5, "red"), (10, "green")]),
    ("[red:green:-5]", [(10, "green")]),
    ("[red:green:-0.5]", [(10, "green")]),
    ("[red:green:0]", [(10, "green")]),
    ("[red:green:0.0]", [(10, "green")]),
    ("[red:green:0.09]", [(10, "green")]),
    ("[red:green:10]", [(10, "red")]),
    ("[red:green:11]", [(10, "red")]),
    ("[red:green: 3]", [(3, "red"), (10, "green")]),
    ("[red:green:3 ]", [(3, "red"), (10, "green")]),
    ("[red:green:\n3\t]", [(3, "red"), (10, "green")]),
    # A number may be the text too.
    ("[1:2:3]", [(3, "1"), (10, "2")]),
    ("[5:3]", [(3, ""), (10, "5")]),
    # Alternation, with empty options.
    ("[a|b]", [(s, "ab"[(s - 1) % 2]) for s in range(1, 11)]),
    ("[a|b|c]", [(s, "abc"[(s - 1) % 3]) for s in range(1, 11)]),
    ("[fe|]male", [(s, "female" if s % 2 else "male") for s in range(1, 11)]),
    ("[|fe]male", [(s, "male" if s % 2 else "female") for s in range(1, 11)]),
    ("[fe|||]male", [(s, "female" if s in (1, 5, 9) else "male") for s in range(1, 11)]),
    ("[|]", [(s, "") for s in range(1, 11)]),
    ("[a|b] [c|d]", [(s, "a c" if s % 2 else "b d") for s in range(1, 11)]),
    ("[a|b] [c|d|e]", [(s, f"{'ab'[(s - 1) % 2]} {'cde'[(s - 1) % 3]}") for s in range(1, 11)]),
    # Nesting.
    ("a[b:[c:d:2]:1]e", [(1, "abe"), (2, "ace"), (10, "ade")]),
    ("[[a:b:2]:c:5]", [(2, "a"), (5, "b"), (10, "c")]),
    ("[a:[b:c:2]:5]", [(2, "a"), (5, "a"), (10, "c")]),
    ("a [[[b]]:2]", [(2, "a "), (10, "a [[b]]")]),
    ("[(a:2):3]", [(3, ""), (10, "(a:2)")]),
    ("([a:b:3]:1.2)", [(3, "(a:1.2)"), (10, "(b:1.2)")]),
    ("(x [a:b:3])", [(3, "(x a)"), (10, "(x b)")]),
    ("[[a:b:3]]", [(3, "[a]"), (10, "[b]")]),
    ("[a|(b:1.1)]", [(s, "a" if s % 2 else "(b:1.1)") for s in range(1, 11)]),
    ("[[a|b]:c:2]", [(1, "a"), (2, "b"), *((s, "c") for s in range(3, 11))]),
    ("[[a:b:4]|c]", [(s, ("a" if s <= 4 else "b") if s % 2 else "c") for s in range(1, 11)]),
    ("[a:b:3] [c:d:6]", [(3, "a c"), (6, "b c"), (10, "b d")]),
    ("[a:b:3] [c:d:3]", [(3, "a c"), (10, "b d")]),
    ("(a:[b:c:2])", [(2, "(a:b)"), (10, "(a:c)")]),
    # Escapes stay for the next layer.
    (r"\[a:b:3]", [(10, r"\[a:b:3]")]),
    (r"[a\:b:3]", [(3, ""), (10, r"a\:b")]),
    (r"[a\|b|c]", [(s, r"a\|b" if s % 2 else "c") for s in range(1, 11)]),
    (r"[a:b\]:3]", [(3, "a"), (10, r"b\]")]),
    (r"[a:b:3\]", [(10, r"[a:b:3\]")]),
    (r"\\[a:b:3]", [(3, r"\\a"), (10, r"\\b")]),
    # What does not parse is text; what stands beside it or in it still parses.
    ("a [unbalanced", [(10, "a [unbalanced")]),
    ("a unbalanced] (b", [(10, "a unbalanced] (b")]),
    ("[a:b:c]", [(10, "[a:b:c]")]),
    ("[a:b:3", [(10, "[a:b:3")]),
    ("[a:b:3)", [(10, "[a:b:3)")]),
    ("a:b:3]", [(10, "a:b:3]")]),
    ("[a:b:c:3]", [(10, "[a:b:c:3]")]),
    ("[a:b:]", [(10, "[a:b:]")]),
    ("[a:b:1.2.3]", [(10, "[a:b:1.2.3]")]),
    ("[a:b:3 4]", [(10, "[a:b:3 4]")]),
    ("[a:b:1e999]", [(10, "[a:b:1e999]")]),
    ("[a:b:nan]", [(10, "[a:b:nan]")]),
    ("[(a:b:3]", [(10, "[(a:b:3]")]),
    ("[(a]:b):3]", [(10, "[(a]:b):3]")]),
    ("[(a:b:c):d:3]", [(10, "[(a:b:c):d:3]")]),
    ("((a][:b:c [d:3]", [(3, "((a][:b:c "), (10, "((a][:b:c d")]),
    ("[a:[b:c:3]", [(3, "[a:b"), (10, "[a:c")]),
    ("[a:b:3]:4]", [(3, "a:4]"), (10, "b:4]")]),
    ("(a:b:[c:d:3]:e)", [(3, "(a:b:c:e)"), (10, "(a:b:d:e)")]),
    # A bar outside, and a backslash before nothing, make a text of the whole.
    ("a | b [c:d:3]", [(10, "a | b [c:d:3]")]),
    ("(a|b) [c:d:3]", [(10, "(a|b) [c:d:3]")]),
    ("[a|b:3] [c:d:3]", [(10, "[a|b:3] [c:d:3]")]),
    ("[a|b", [(10, "[a|b")]),
    ("[a:b:3]\\", [(10, "[a:b:3]\\")]),
]


@pytest.mark.parametrize(("text", "entries"), TEN)
def test_ten_steps(text, entries):
    assert list(schedule(text, 10)) == entries


@pytest.mark.parametrize(
    ("text", "steps", "hires", "old", "entries"),
    [
        # The second pass: whole numbers count on, fractions begin at 1.0.
        ("a [b:.5] c", 10, 10, False, [(10, "a b c")]),
        ("a [b:1.5] c", 10, 10, False, [(5, "a  c"), (10, "a b c")]),
        ("a [b:1.0] c", 10, 10, False, [(10, "a b c")]),
        ("a [b:1.25] c", 10, 8, False, [(2, "a  c"), (8, "a b c")]),
        ("a [b:2.0] c", 10, 8, False, [(8, "a  c")]),
        ("a [b:3] c", 10, 10, False, [(10, "a b c")]),
        ("a [b:10] c", 10, 10, False, [(10, "a b c")]),
        ("a [b:13] c", 10, 8, False, [(3, "a  c"), (8, "a b c")]),
        ("a [b:40] c", 10, 8, False, [(8, "a  c")]),
        ("[a|b]", 10, 3, False, [(1, "a"), (2, "b"), (3, "a")]),
        ("a b", 10, 3, False, [(3, "a b")]),
        # The old way: below 1 a share, whatever it looks like; the second pass as the first.
        ("[a:b:0.5]", 10, None, True, [(5, "a"), (10, "b")]),
        ("[a:b:.5]", 10, None, True, [(5, "a"), (10, "b")]),
        ("[a:b:1.0]", 10, None, True, [(1, "a"), (10, "b")]),
        ("[a:b:2.7]", 10, None, True, [(2, "a"), (10, "b")]),
        ("[a:b:5e-1]", 10, None, True, [(5, "a"), (10, "b")]),
        ("[a:b:3]", 10, None, True, [(3, "a"), (10, "b")]),
        ("[a:b:-0.5]", 10, None, True, [(10, "b")]),
        ("[a:b:0.5]", 10, 8, True, [(5, "a"), (10, "b")]),
        ("[a:b:3]", 10, 8, True, [(3, "a"), (10, "b")]),
        # Other numbers of steps: rounded down.
        ("[a:b:0.5]", 1, None, False, [(1, "b")]),
        ("[a:b:0.5]", 25, None, False, [(12, "a"), (25, "b")]),
        ("[a:b:0.33]", 20, None, False, [(6, "a"), (20, "b")]),
        ("[a:b:20]", 40, None, False, [(20, "a"), (40, "b")]),
    ],
)
def test_passes(text, steps, hires, old, entries):
    assert list(schedule(text, steps, hires, old=old)) == entries


LETTERS = st.text("[](): |\\.13ab\n", max_size=30)
WORDS = st.text(st.characters(exclude_characters="[](){}:|\\", codec="utf-8"), max_size=6)


@settings(max_examples=120, deadline=None)
@given(LETTERS, st.integers(1, 12), st.none() | st.integers(1, 12), st.booleans())
def test_any_text_is_a_schedule(text, steps, hires, old):
    entries = schedule(text, steps, hires, old=old)
    ends = [entry.until for entry in entries]
    assert ends == sorted(set(ends))
    assert ends[0] >= 1
    assert ends[-1] == (steps if old or hires is None else hires)
    assert all(len(entry.text) <= len(text) for entry in entries)


@settings(max_examples=40, deadline=None)
@given(WORDS, WORDS, WORDS, WORDS, st.integers(1, 9))
def test_a_change_is_between_its_parts(before, one, other, after, when):
    assert schedule(f"{before}[{one}:{other}:{when}]{after}", 10) == (
        (when, before + one + after),
        (10, before + other + after),
    )


@settings(max_examples=40, deadline=None)
@given(LETTERS)
def test_what_is_plain_stays_so(text):
    """Escaped, a text has one entry; what that says is not read again."""
    escaped = "".join("\\" + letter if letter in "[]():|\\" else letter for letter in text)
    assert schedule(escaped, 10) == ((10, escaped),)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 20_000,
        "[" * 10_000 + "]" * 10_000,
        "[a:" * 10_000 + ":3]" * 10_000,
        "([" * 10_000,
        "[a|b]" * 20_000,
        ":1" * 50_000,
        "[a:" + "1" * 100_000,
        " " * 100_000 + "[",
        "\\" * 100_001 + "[a:b:3]",
        "[: " * 30_000,
    ],
)
def test_long_and_deep_texts_take_no_time(text):
    started = time.perf_counter()
    assert schedule(text, 20)[-1].until == 20
    assert time.perf_counter() - started < 10
