"""Parts of a prompt that look like adapters and are none are left out, and a sentence says so."""

from webui.core.prompt.adapters import asked_of, unknown_types


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
