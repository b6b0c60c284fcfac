"""Dynamic prompts: each rule of the extension's syntax, the same words for the same seed, and an end to everything."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from webui.core.prompt.dynamic import LONGEST, Template, Value
from webui.core.prompt.templates import is_plain, parse

FILES: dict[str, list[Value]] = {
    "colour": [Value("red"), Value("blue"), Value("green")],
    "rare": [Value("often", 9), Value("never", 0), Value("seldom", 1)],
    "coat": [Value("a {__colour__} coat")],
    "clothes": [Value("In ${season:summer}, ${season:summer} shirts")],
    "self": [Value("__self__")],
    "pair": [Value("__pair__ __pair__")],
    "ping": [Value("__pong__")],
    "pong": [Value("__ping__")],
    "echo": [Value("__Echo__ and red")],
    "there": [Value("x __back__")],
    "back": [Value("y __there__")],
}


class Files:
    """Wildcards without a disk."""

    def values(self, pattern: str) -> Sequence[Value]:
        return FILES.get(pattern.casefold(), ())

    def why_none(self, pattern: str) -> str:
        return f"There is no wildcard '{pattern[:60]}'."


def template(text: str) -> Template:
    return Template(text, Files())


def can_be(text: str, seeds: int = 60) -> set[str]:
    read = template(text)
    return {read.draw(seed, seed) for seed in range(seeds)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{a|b}", {"a", "b"}),
        ("{a|b} {c|d}", {"a c", "a d", "b c", "b d"}),
        ("{|a}", {"", "a"}),
        ("{a|{b|c}}", {"a", "b", "c"}),
        ("x {{a|b}} y", {"x a y", "x b y"}),
        ("{ a| b}", {"a", "b"}),
        ("{2$$a|b}", {"a, b", "b, a"}),
        ("{2$$ and $$a|b}", {"a and b", "b and a"}),
        ("{1-2$$+$$a|b}", {"a", "b", "a+b", "b+a"}),
        ("{-2$$+$$a|b}", {"a", "b", "a+b", "b+a"}),
        ("{2-$$+$$a|b}", {"a+b", "b+a"}),
        ("{2-1$$+$$a|b}", {"a", "b", "a+b", "b+a"}),
        ("{0-1$$a}", {"", "a"}),
        ("{0$$a|b}", {""}),
        ("{9$$+$$a|b}", {"a+b", "b+a"}),
        ("{2$$|$$a|b}", {"a|b", "b|a"}),
        ("{0::a|1::b}", {"b"}),
        ("{0::a|0::b}", {"a", "b"}),
        ("{.5::a|1.::b}", {"a", "b"}),
        ("{~a|b}", {"a", "b"}),
        ("__colour__", {"red", "blue", "green"}),
        ("__~colour__", {"red", "blue", "green"}),
        ("{__colour__}", {"red", "blue", "green"}),
        ("{__colour__|x}", {"red", "blue", "green", "x"}),
        ("__rare__", {"often", "seldom"}),
        ("__coat__", {"a red coat", "a blue coat", "a green coat"}),
        ("__clothes__", {"In summer, summer shirts"}),
        ("__clothes(season=winter)__", {"In winter, winter shirts"}),
        ("${season=autumn} __clothes__", {"In autumn, autumn shirts"}),
        ("${x=!{a|b}}${x}${x}", {"aa", "bb"}),
        ("${x={a|b}}${x}${x}", {"aa", "bb", "ab", "ba"}),
        ("${x}${x=a}", {"a"}),
        ("${x=a}${x?=b}${x}", {"a"}),
        ("${x?=b}${x}", {"b"}),
        ("${x:{a|b}}", {"a", "b"}),
        ("${ x = a }${ x }", {"a"}),
        ("${w=colour}__${w}__", {"red", "blue", "green"}),
        ("{${x=a}${x}|b}${x:c}", {"ac", "bc"}),
        (r"\{a|b\} {c|d}", {"{a|b} c", "{a|b} d"}),
        (r"{a\|b|c}", {"a|b", "c"}),
        (r"{a\}|b}", {"a}", "b"}),
        (r"\__colour__ {a|b}", {"__colour__ a", "__colour__ b"}),
        (r"\${x} {a|b}", {"${x} a", "${x} b"}),
        (r"\(x\) {a|b}", {r"\(x\) a", r"\(x\) b"}),
        ("{[a|b]|c}", {"[a|b]", "c"}),
        ("[a|{b|c}]", {"[a|b]", "[a|c]"}),
        ("{[a:b:0.5]|[c::3]}", {"[a:b:0.5]", "[c::3]"}),
        ("<lora:x:{0.5|1}>", {"<lora:x:0.5>", "<lora:x:1>"}),
        ("{masterpiece|best} {quality}", {"masterpiece {quality}", "best {quality}"}),
    ],
)
def test_what_is_drawn(text: str, expected: set[str]) -> None:
    assert {" ".join(one.split()) for one in can_be(text)} == {" ".join(one.split()) for one in expected}


@pytest.mark.parametrize(
    "text",
    [
        "a cat",
        "{masterpiece}, {{best quality}}",
        "{prompt}",
        "{}",
        "{{}}",
        "{a",
        "a}",
        "}{",
        "a | b",
        "[a|b]",
        "[a:b:0.5] (c:1.2) AND d BREAK e",
        "__init__",
        "a__b",
        "____",
        "$x ${} ${ } ${1}",
        "${x",
        r"\(a\) \[b\] \\ \n",
        '{"caption": "a cat", "boxes": [1, 2]}',
        "{1girl}",
        "{2::a}",
        "{0.5}",
    ],
)
def test_what_is_no_template_stays_as_it_is_written(text: str) -> None:
    assert template(text).is_plain
    assert template(text).draw(7) == text


def test_the_same_seed_draws_the_same_words_everywhere() -> None:
    # From CPython's random(), which is documented to keep its stream; another machine must find the same.
    read = template("{red|green|blue} {3$$ $$a|b|c|d|e} __rare__ {0.2::x|0.8::y}")
    assert [read.draw(seed) for seed in (0, 1, 2**32 - 1, 2**32)] == [
        "blue d b a often y",
        "red e d a often y",
        "green b d a often y",
        "red c a d often y",
    ]
    assert read.draw(5) == template("{red|green|blue} {3$$ $$a|b|c|d|e} __rare__ {0.2::x|0.8::y}").draw(5)


def test_weights_count() -> None:
    read = template("{3::a|1::b}")
    assert 700 < Counter(read.draw(seed) for seed in range(1000))["a"] < 800


def test_a_picture_takes_its_turn() -> None:
    read = template("{@a|b} {@c|d|e}")
    assert [read.draw(9, number) for number in range(4)] == ["a c", "b d", "a e", "b c"]
    every = template("{!a|b} {!c|d}")
    assert {every.draw(9, number) for number in range(4)} == {"a c", "a d", "b c", "b d"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{red|blue} {ball|box}", ["red ball", "red box", "blue ball", "blue box"]),
        ("{2$$a|b|c}", ["a, b", "a, c", "b, a", "b, c", "c, a", "c, b"]),
        ("{a|a|b}", ["a", "b"]),
        ("__colour__", ["red", "blue", "green"]),
        ("${x=!{a|b}}${x}{|${x}}", ["a", "aa", "b", "bb"]),
        ("{a|{b|c}}", ["a", "b", "c"]),
        ("{a|b|c} {@1|2}", ["a 1", "b 2", "c 1"]),
        ("plain", ["plain"]),
    ],
)
def test_combinations(text: str, expected: list[str]) -> None:
    assert list(template(text).combinations()) == expected


def test_a_drawn_part_does_not_multiply_the_combinations() -> None:
    assert len(list(template("{a|b|c} {~1|2}").combinations())) == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a __nope__ colour __nope2__", {"a __nope__ colour __nope2__"}),
        ("__nope__colour__nope2__", {"__nope__colour__nope2__"}),
        ("__nope__ colour __../../etc/passwd__", {"__nope__ colour __../../etc/passwd__"}),
        ("__nope(x=1)__ colour __nope2__", {"__nope(x=1)__ colour __nope2__"}),
        ("__nope__ __clothes__", {"__nope__ In summer, summer shirts"}),
        ("__nope__, colour, __clothes__", {"__nope__, colour, In summer, summer shirts"}),
        ("a__b __clothes__", {"a__b In summer, summer shirts"}),
        ("a__ b __clothes__", {"a__ b In summer, summer shirts"}),
    ],
)
def test_words_between_two_that_there_are_not_stay_words(text: str, expected: set[str]) -> None:
    assert can_be(text, 9) == expected
    assert not any("'colour'" in note or "' colour '" in note for note in template(text).notes)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a __echo__", "a  and red"),
        ("a __Echo__", "a  and red"),
        ("a __there__", "a x y "),
        ("__echo__, __echo__", "and red,  and red"),
    ],
)
def test_a_wildcard_that_leads_back_to_itself_is_left_out_the_first_time(text: str, expected: str) -> None:
    read = template(text)
    assert read.draw(1) == expected.strip()
    assert [note for note in read.notes if "leads back to itself and was left out there" in note] == read.notes != []


@pytest.mark.parametrize("name", ["self", "pair", "ping"])
def test_a_wildcard_that_leads_back_to_itself_ends_with_a_sentence(name: str) -> None:
    read = template(f"a __{name}__ b")
    assert read.draw(1).split() == ["a", "b"]
    assert any("leads back to itself" in note for note in read.notes)


def test_what_there_is_not_is_said_and_stays() -> None:
    read = template("{a|a} __nothing__ ${nobody}")
    assert read.draw(1) == "a __nothing__ ${nobody}"
    assert any("no wildcard 'nothing'" in note for note in read.notes)
    assert any("no variable 'nobody'" in note for note in read.notes)


TOO_MUCH = [
    "{" * 100_000,
    "{" * 10_000 + "}" * 10_000,
    "{a|" * 10_000 + "}" * 10_000,
    "[" * 10_000 + "|" + "]" * 10_000,
    "{[|" * 10_000 + "]}" * 10_000,
    "_" * 100_000,
    "__a" * 33_000,
    "${" * 50_000,
    "${a=" * 10_000 + "}" * 10_000,
    "\\" * 100_000,
    "{1$$" * 25_000,
    "__pair__ " * 2_000,
    "{x::" * 25_000,
    "${a=${b}}${b=${a}}${a}",
    "${a=${a}${a}}${a}",
    "".join(f"${{v{i}=!${{v{i - 1}:xx}}${{v{i - 1}:xx}}}}" for i in range(300)) + "${v299}",
]


@pytest.mark.parametrize("text", TOO_MUCH, ids=lambda text: text[:8])
def test_whatever_is_typed_ends_quickly(text: str) -> None:
    begun = time.process_time()
    read = template(text)
    assert len(read.draw(1)) <= max(LONGEST, len(text))
    assert time.process_time() - begun < 10


PIECES = st.sampled_from(
    [*"{}|_$[]()\\:= a1~@!,-.<>\n", "__", "$$", "${", "::", "__colour__", "{a|b}", "2$$", "${x=b}"]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(PIECES, max_size=40).map("".join), st.integers(0, 2**33))
@example("{2$$__colour__|__pair__}", 3)
def test_nothing_raises_and_the_same_seed_gives_the_same(text: str, seed: int) -> None:
    drawn = template(text).draw(seed)
    assert drawn == template(text).draw(seed)
    assert len(drawn) <= LONGEST


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(exclude_characters="{}_$\\", exclude_categories=["Cs"]), max_size=60))
def test_a_text_without_the_syntax_is_untouched(text: str) -> None:
    assert template(text).draw(1) == text


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text("abc {}|_$\\", max_size=8), min_size=1, max_size=4))
def test_escaped_text_is_said_as_it_is(words: list[str]) -> None:
    text = "".join(words).replace("\\", "").replace("__", "_").replace("$", "")
    escaped = text.replace("{", r"\{").replace("}", r"\}")
    assert is_plain(parse(escaped))
    assert template(escaped).draw(1) == (text.strip() if escaped != text else text)


def test_variables_cost_as_choices_do() -> None:
    names = "".join(f"${{v{number}=x}}" for number in range(1000))
    read = template(names + "{a|b|c}{a|b|c}{a|b|c}{a|b|c}{a|b|c}")
    assert len(list(read.combinations())) < 101
    assert "too long" in read.excess
    # Of which a few are no hindrance.
    few = template("${a=x}${b=${a}}${a=y}${c?=z}${c?=no}{1|2|3}{1|2|3}${a}${b}${c}")
    assert {text[2:] for text in few.combinations()} == {"yyz"}
    assert not few.excess


def test_no_more_is_said_of_unknown_wildcards_than_there_is_room_for() -> None:
    asked: list[str] = []

    class Counting(Files):
        def why_none(self, pattern: str) -> str:
            asked.append(pattern)
            return super().why_none(pattern)

    # Those of equal beginnings make equal sentences.
    for names in ([f"name {number}" for number in range(200)], ["x" * 60 + f" {number}" for number in range(200)]):
        asked.clear()
        text = " ".join(f"__{name}__" for name in names)
        read = Template(text, Counting())
        assert read.draw(1) == text
        assert 0 < len(read.notes) <= len(asked) == 10


class Many:
    """Wildcards that note what is looked up; each pattern stands for so many values."""

    def __init__(self, count: int) -> None:
        self.found = [Value(str(number)) for number in range(count)]
        self.asked: list[str] = []

    def values(self, pattern: str) -> Sequence[Value]:
        self.asked.append(pattern)
        return self.found

    def why_none(self, pattern: str) -> str:
        return ""


def test_spellings_of_one_pattern_are_one() -> None:
    files = Many(3)
    read = Template("__*__ __**__ __***__ __a*****__ __a**__", files)
    read.draw(1)
    assert files.asked == ["*", "a*"]


def test_the_patterns_and_values_of_one_template_are_bounded() -> None:
    globs = Many(1)
    read = Template(" ".join(f"__{number}*__" for number in range(60)), globs)
    read.draw(1)
    assert len(globs.asked) == 50
    assert "too many wildcards" in read.excess
    values = Many(150_000)
    read = Template(" ".join(f"__{number}__" for number in range(20)), values)
    read.draw(1)
    assert len(values.asked) == 7
    assert "too many wildcards" in read.excess
    enough = Template(" ".join(f"__{number}*__ __name{number}__" for number in range(40)), Many(2))
    enough.draw(1)
    assert not enough.excess
