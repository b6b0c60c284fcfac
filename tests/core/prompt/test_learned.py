"""What infotexts say of embeddings: all that are encoded as such are written in the text, and the names are A1111's."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webui.core.prompt.learned import hashes_text, written_in
from webui.engine.checkpoints.tokens import Reading, clip_chunker
from webui.engine.checkpoints.words import Learned, Words

LETTERS = "aB-é 1(:[,\\\u0301\t"


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("cat", "a CAT", True),
        ("cat-toy", "a cat - toy", True),
        ("(cat)", r"a \(cat\)", True),
        ("caf\u00e9", "cafe\u0301", True),
        ("cat", "a dog", False),
        ("cat", "", False),
    ],
)
def test_a_name_is_written_whatever_its_case_blanks_and_backslashes(name: str, text: str, expected: bool) -> None:
    assert written_in(name, text) is expected


def test_the_line_is_as_a1111_has_it() -> None:
    hashes = {"bad, hands: 5": "0123456789abcdef", "cat": "f" * 64, "dog": "e" * 64}
    assert hashes_text(hashes, ("a cat", "bad, hands: 5")) == "bad hands 5: 0123456789ab, cat: ffffffffffff"
    assert hashes_text(hashes, ("", "")) == "" == hashes_text({}, ("a cat",))


@settings(deadline=None, max_examples=300)
@given(st.lists(st.text(LETTERS, min_size=1, max_size=4), max_size=4), st.text(LETTERS, max_size=30))
def test_what_is_encoded_as_an_embedding_is_written(names: list[str], text: str) -> None:
    words = Words(Learned(name, str(place), 2) for place, name in enumerate(names))
    chunks = clip_chunker().chunks(text, Reading(words=words))
    assert all(written_in(one.name, text) for chunk in chunks for _, one in chunk.learned)
    hashes = {one.name: "0" * 64 for chunk in chunks for _, one in chunk.learned}
    assert hashes_text(hashes, (text,)).count(": 000000000000") == len(hashes)
