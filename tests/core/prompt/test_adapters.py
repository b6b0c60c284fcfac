"""Parts of a prompt that look like adapters and are none are left out, and a sentence says so."""

import pytest

from webui.core.prompt.adapters import Asked, asked_of, left_in_negative, renamed, unknown_types


def test_a_type_that_is_not_known_is_said_once() -> None:
    asked, notes = asked_of("a <hypernet:x:1> <LORA:ink:0.5> <hypernet:y> <lyco:b>")
    assert [one.name for one in asked] == ["ink", "b"]
    assert notes == ("Left out of the prompt: <hypernet:…>. Of this form only <lora:…> and <lyco:…> are known here.",)
    assert unknown_types("a <hypernet:x:1>") == notes
    assert asked_of("a <lora:ink> # <hypernet:x>")[1] == () == unknown_types("a # <hypernet:x>")
    assert unknown_types("a # <hypernet:x>", comments=False) == notes


def test_of_many_types_few_are_named() -> None:
    (note,) = unknown_types("".join(f"<{'t' * 50}{number}:x><s{number}:x>" for number in range(1_000)))
    assert "<s3:…> and 996 others." in note and len(note) < 200


@pytest.mark.parametrize(
    ("arguments", "asked", "words"),
    [
        (
            ":abc",
            Asked("ink"),
            "'abc' is no weight of the text encoders of the LoRA ink: one is a number from -1000 to",
        ),
        (":0.5:99999", Asked("ink", 0.5, 0.5), "'99999' is no weight of the network that draws of the LoRA ink"),
        (
            ":1:1:-1",
            Asked("ink"),
            "'-1' is no number of ranks of the LoRA ink: one is a number from 0 to 10000. So all",
        ),
        (":stop=2", Asked("ink"), "'2' is no stop of the LoRA ink: one is a number from 0 to 1. So 1 is used."),
        (
            ":start=0.9:stop=0.1",
            Asked("ink", start=0.9, stop=0.1),
            "The LoRA ink starts at 0.9 of the steps and stops at",
        ),
        (":1:1:4:3", Asked("ink", ranks=4), "'3' of the LoRA ink means nothing: without a name three numbers count"),
        (":1:foo=3", Asked("ink"), "'foo=3' of the LoRA ink means nothing; there are te, unet, dyn, start and stop."),
        (":0.5::", Asked("ink", 0.5, 0.5), ""),
        (":0.5:1:8:start=0.1:stop=0.2", Asked("ink", 0.5, 1.0, 8, 0.1, 0.2), ""),
    ],
)
def test_what_is_not_used_as_it_is_written_is_said(arguments: str, asked: Asked, words: str) -> None:
    found, notes = asked_of(f"a <lora:ink{arguments}>")
    assert found == (asked,)
    assert len(notes) == bool(words) and all(note.startswith(words) for note in notes)


def test_of_many_notes_few_are_said() -> None:
    notes = asked_of("".join(f"<lora:x{number}:a:b:c:d:e=f>" for number in range(200)))[1]
    assert len(notes) == 20
    assert all(len(note) < 250 for note in asked_of(f"<lora:{'x' * 9_000}:{'y' * 9_000}:{'z' * 900}=1>")[1])


def test_in_negative_prompts_a_lora_is_text() -> None:
    (note,) = left_in_negative(["bad <lora:a:1>", "bad <lora:a:1> <hypernet:b> <lyco:c> # <lora:d>"])
    assert note == "In the negative prompt <lora:a:1>, <lyco:c> is text, as in A1111; a LoRA belongs into the prompt."
    assert left_in_negative(["bad", "<lora:>", "# <lora:x>"]) == ()


def test_other_names_are_put_in_place_and_nothing_else() -> None:
    prompt = "a <lora: old, one :0.5:1> <LYCO:old one> <hypernet:old one:1> (old one:1) <lora:old one"
    new = "a <lora:new:0.5:1> <LYCO:new> <hypernet:old one:1> (old one:1) <lora:old one"
    assert renamed(prompt, {"old one": "new"}) == new
