"""Chunks of 75 tokens, cut as A1111 cuts them, and the counter."""

import itertools
import json
import random

import pytest
from transformers import CLIPTokenizer

from tests.engine.helpers import STARTER
from webui.core.errors import ModelProblem
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.checkpoints.tokens import Chunk, Reading, clip_chunker, count_tokens, load_chunker, split

COMMA = 9


def cut(tokens, reach=20):
    """The chunks' tokens; None is a BREAK."""
    weighted = (None if token is None else (token, 1.0) for token in tokens)
    return [list(chunk.tokens) for chunk in split(weighted, COMMA, reach)]


def test_no_text_is_one_empty_chunk():
    assert cut([]) == [[]]


def test_75_tokens_are_one_chunk_and_76_are_two():
    assert [len(c) for c in cut([1] * 75)] == [75]
    assert [len(c) for c in cut([1] * 76)] == [75, 1]


@pytest.mark.parametrize(("place", "first"), [(74, 75), (60, 61), (55, 56), (54, 75)])
def test_what_follows_a_near_comma_moves_to_the_next_chunk(place, first):
    tokens = list(range(100, 180))
    tokens[place] = COMMA
    chunks = cut(tokens)
    assert [len(c) for c in chunks] == [first, 80 - first]
    assert list(itertools.chain(*chunks)) == tokens


def test_a_comma_that_itself_overflows_moves_nothing():
    tokens = [*range(100, 175), COMMA, 5]
    tokens[70] = COMMA
    assert [len(c) for c in cut(tokens)] == [75, 2]


@pytest.mark.parametrize(
    ("reach", "place", "first"),
    [(0, 74, 75), (5, 70, 71), (5, 69, 75), (74, 10, 11), (74, 0, 75), (1, 74, 75), (21, 54, 55)],
)
def test_how_near_a_comma_counts_can_be_said(reach, place, first):
    tokens = list(range(100, 180))
    tokens[place] = COMMA
    assert [len(chunk) for chunk in cut(tokens, reach)] == [first, 80 - first]


@pytest.mark.parametrize(
    ("tokens", "chunks"),
    [
        ([1, None, 2], [[1], [2]]),
        ([None, 1], [[], [1]]),
        ([1, None], [[1]]),
        ([1, None, None, 2], [[1], [], [2]]),
        ([None], [[]]),
        ([*[1] * 75, None, 2], [[1] * 75, [2]]),
        # A comma before a BREAK is in another chunk.
        ([COMMA, None, *[1] * 76], [[COMMA], [1] * 75, [1]]),
    ],
)
def test_break_ends_a_chunk(tokens, chunks):
    assert cut(tokens) == chunks


def test_weights_go_with_their_tokens():
    chunker = clip_chunker()
    (one,) = chunker.chunks("a (red:1.3) circle")
    assert one == Chunk((320, 736, 7117), (1.0, 1.3, 1.0))
    assert chunker.padded(one).weights == (1.0, 1.0, 1.3, 1.0, *[1.0] * 73)
    assert chunker.chunks("a (red:1.3) circle", Reading("Ignore"))[0].tokens == one.tokens
    assert len(chunker.chunks("a (red:1.3)", Reading("None"))[0].tokens) == 8
    assert len(chunker.chunks("a BREAK b")) == 2 and len(chunker.chunks("a BREAK b", Reading("None"))) == 1
    assert chunker.cut("a BREAK (b:2)") == Chunk((320, 321), (1.0, 2.0))
    long = "(blue:2) " * 70 + ", " + "(red:3) " * 10
    first, second = chunker.chunks(long)
    assert len(first.tokens) == 71 and set(second.weights) == {3.0}


def test_no_token_is_lost_and_no_chunk_is_too_long():
    rng = random.Random(3)
    for _ in range(300):
        tokens = [COMMA if rng.random() < 0.05 else rng.randrange(10, 99) for _ in range(rng.randrange(400))]
        chunks = cut(tokens)
        assert list(itertools.chain(*chunks)) == tokens and all(len(c) <= 75 for c in chunks)


@pytest.mark.parametrize("model", ["tiny", "starter"])
def test_tokens_are_transformers_own(model, tiny_checkpoint):
    folder = (tiny_checkpoint if model == "tiny" else STARTER) / "tokenizer"
    theirs, ours = CLIPTokenizer.from_pretrained(folder), load_chunker(folder)
    rng = random.Random(5)
    alphabet = "abc RED, circle's 42 éß!?  \n\t<|endoftext|> 日本 🎨"
    texts = ["".join(rng.choices(alphabet, k=rng.randrange(60))) for _ in range(200)]
    for text in ["a red circle on a blue background", *texts]:
        assert ours.tokens(text) == theirs(text, add_special_tokens=False).input_ids


def test_the_counter_counts_places_of_full_chunks(tiny_checkpoint):
    checkpoint = Catalogue((tiny_checkpoint.parent,)).get("tiny")
    assert count_tokens(checkpoint, "") == (0, 75)
    assert count_tokens(checkpoint, "a a a") == (3, 75)
    assert count_tokens(checkpoint, "a " * 75) == (75, 75)
    assert count_tokens(checkpoint, "a " * 76) == (76, 150)
    # A comma ends the first chunk early; its places count as taken.
    assert count_tokens(checkpoint, "a " * 60 + ", " + "a " * 30) == (75 + 30, 150)
    # What is counted is what is encoded: no brackets, and the places that a BREAK fills.
    assert count_tokens(checkpoint, "(a:1.3) [a]") == (2, 75)
    assert count_tokens(checkpoint, "a BREAK a a") == (75 + 2, 150)


def test_a_tokenizer_whose_files_do_not_fit_is_a_sentence(tmp_path):
    (tmp_path / "vocab.json").write_text(json.dumps({"a": 0, "<|startoftext|>": 1, "<|endoftext|>": 2}))
    (tmp_path / "merges.txt").write_text("#version: 0.2\nx y\n")
    with pytest.raises(ModelProblem, match="fit"):
        load_chunker(tmp_path)


def test_clips_own_vocabulary_ships_with_the_program():
    chunker = clip_chunker()
    assert chunker.tokenizer.get_vocab_size() == 49408
    (chunk,) = chunker.chunks("a photo of a cat")
    assert chunker.padded(chunk).tokens[:8] == (49406, 320, 1125, 539, 320, 2368, 49407, 49407)
    assert clip_chunker(pad=0).padded(chunk).tokens[6:8] == (49407, 0)
    assert chunker.comma == chunker.tokens(",")[0] == 267
