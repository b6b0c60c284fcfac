"""Models that know less of the language are told what they can take, and the person what was left out."""

import pytest

from webui.core.request import GenerationRequest
from webui.engine.wordings import NO_CHANGES, NO_COMPOSITION, NO_WEIGHTS, TOO_MANY_TEXTS, Wordings, calls_of


def wordings(emphasis=False, **asked):
    return Wordings(GenerationRequest(**asked), 10, emphasis=emphasis)


@pytest.mark.parametrize(
    ("text", "told", "notes"),
    [
        ("a red house, 4k", "a red house, 4k", []),
        (r"a \(red\) house", "a (red) house", []),
        ("a (red:1.3) house", "a red house", [NO_WEIGHTS]),
        ("(a:1) [(b)]", "a b", []),
        ("[a house:a tree:0.5] here", "a house here", [NO_CHANGES]),
        ("[a|b]", "a", [NO_CHANGES]),
        ("a AND b :2", "a, b", [NO_COMPOSITION]),
        ("a picture, 16:9", "a picture, 16:9", []),
        ("<lora:x:1>a # remark", "a ", []),
        ("a BREAK b", "a b", []),
        ("(a) AND [b:c:3]", "a, b", [NO_WEIGHTS, NO_CHANGES, NO_COMPOSITION]),
    ],
)
def test_one_text_is_told_where_one_is_all(text, told, notes):
    read = wordings()
    assert read.as_one(text) == told
    assert list(read.notes) == notes


def test_in_a_negative_prompt_and_is_a_word():
    read = wordings()
    assert read.as_one("a AND (b) :2", negative=True) == "a AND b :2"
    assert list(read.notes) == [NO_WEIGHTS]


def test_modes_decide_what_is_ignored():
    for mode, told, notes in (("None", "a (b:2)", []), ("Ignore", "a b", []), ("No norm", "a b", [NO_WEIGHTS])):
        read = Wordings(GenerationRequest(emphasis=mode), 10, emphasis=False)
        assert (read.prompt("a (b:2)").texts, list(read.notes)) == ((told,), notes)


def test_who_weighs_words_gets_the_text_as_it_was_typed():
    read = wordings(emphasis=True)
    assert read.prompt("a (b:2)").texts == ("a (b:2)",) and not read.notes


def test_fields_decide_how_a_prompt_is_read():
    assert wordings(True, enable_prompt_comments=False).prompt("a # b").texts == ("a # b",)
    assert wordings(True, use_old_scheduling=True).prompt("[a:b:1.0]").texts == ("a", "b")
    assert (calls_of(10, 1), calls_of(10, 2)) == (10, 20)


@pytest.mark.parametrize("emphasis", [True, False])
def test_so_many_texts_a_prompt_may_have_and_the_rest_are_words(emphasis):
    most = wordings(emphasis)
    assert len(most.prompt(" AND ".join("a" * 50)).parts) == 50 and not most.notes
    more = most.prompt(" AND ".join("a" * 3_000) + " :0.5")
    assert len(more.parts) == 50 and list(most.notes) == [TOO_MANY_TEXTS]
    assert more.parts[-1].entries[0].text.split() == " AND ".join("a" * 2_951).split()
    assert (more.parts[0].weight, more.parts[-1].weight) == (1, 0.5)
    assert wordings(emphasis).negative(" AND ".join("a" * 60)).has_more is False
