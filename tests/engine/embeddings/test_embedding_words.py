"""Where embeddings stand in a text's chunks, and what the text encoder makes of them: by hand."""

import itertools
import random
from dataclasses import replace

import pytest
import torch
from transformers import CLIPTextModel

from tests.engine import singles
from tests.engine.embeddings.made_embeddings import vectors
from tests.engine.helpers import WIDTH, load_model
from webui.engine.checkpoints.tokens import Reading, clip_chunker, split
from webui.engine.checkpoints.words import Learned, Words
from webui.engine.families.base import Purpose
from webui.engine.families.clip_texts import ClipText

COMMA = 9


def word(name, size, width=None, seed=0):
    """An embedding, with vectors for one encoder if a width is given."""
    own = (vectors(size, width, seed).numpy(),) if width else ()
    return Learned(name, f"{name} {seed}", size, own)


THREE, TEN = word("three", 3), word("ten", 10)


def cut(tokens, reach=20):
    """Lengths of the chunks, and in each the embeddings with their places."""
    weighted = (None if token is None else (token, 1.0) for token in tokens)
    return [(len(one.tokens), [(place, it.name) for place, it in one.learned]) for one in split(weighted, COMMA, reach)]


@pytest.mark.parametrize(
    ("tokens", "chunks"),
    [
        ([THREE], [(3, [(0, "three")])]),
        ([5, THREE, 5, TEN], [(15, [(1, "three"), (5, "ten")])]),
        ([*[5] * 72, THREE], [(75, [(72, "three")])]),
        ([*[5] * 73, THREE], [(73, []), (3, [(0, "three")])]),
        ([*[5] * 66, TEN, 5], [(66, []), (11, [(0, "ten")])]),
        ([*[5] * 65, TEN, 5], [(75, [(65, "ten")]), (1, [])]),
        # A near comma moves nothing where an embedding finds too little room, only where the chunk is full.
        ([*[5] * 60, COMMA, *[5] * 8, TEN], [(69, []), (10, [(0, "ten")])]),
        ([*[5] * 60, COMMA, *[5] * 14, TEN], [(61, []), (24, [(14, "ten")])]),
        # An embedding behind the comma goes along whole.
        ([*[5] * 60, COMMA, 5, TEN, 5, 5, 5, 5], [(61, []), (15, [(1, "ten")])]),
        ([*[5] * 60, COMMA, 5, TEN, *[5] * 3], [(75, [(62, "ten")])]),
        # An embedding before a comma counts with all its places.
        ([*[5] * 44, TEN, COMMA, *[5] * 21], [(75, [(44, "ten")]), (1, [])]),
        ([*[5] * 45, TEN, COMMA, *[5] * 20], [(56, [(45, "ten")]), (20, [])]),
        ([TEN, None, THREE], [(10, [(0, "ten")]), (3, [(0, "three")])]),
        ([*[TEN] * 8], [(70, [(place, "ten") for place in range(0, 70, 10)]), (10, [(0, "ten")])]),
        ([5, word("all", 75), 5], [(1, []), (75, [(0, "all")]), (1, [])]),
    ],
)  # fmt: skip
def test_an_embedding_takes_its_places_and_is_never_split(tokens, chunks):
    assert cut(tokens) == chunks


def test_nothing_is_lost_split_or_too_long():
    rng = random.Random(4)
    for _ in range(300):
        kinds = (COMMA, THREE, TEN, *[5] * 20)
        tokens = [rng.choice(kinds) for _ in range(rng.randrange(200))]
        chunks = split(((token, 1.0) for token in tokens), COMMA, rng.choice((0, 20)))
        assert all(len(one.tokens) <= 75 == 75 for one in chunks)
        assert all(place + it.size <= len(one.tokens) for one in chunks for place, it in one.learned)
        found = list(itertools.chain(*([it for _, it in one.learned] for one in chunks)))
        assert found == [token for token in tokens if isinstance(token, Learned)]
        assert sum(len(one.tokens) for one in chunks) == sum(t.size if isinstance(t, Learned) else 1 for t in tokens)


def names(text, *own, emphasis="Original"):
    chunks = clip_chunker().chunks(text, Reading(emphasis, words=Words(own)))
    return [it.name for one in chunks for _, it in one.learned]


def test_a_name_is_compared_by_its_tokens():
    cat, cat_toy, bad = word("cat", 1), word("cat-toy", 2), word("EasyNegative", 2)
    assert names("a CAT, easynegative", cat, bad) == ["cat", "EasyNegative"]
    # The longest counts, and a name inside another word is none.
    assert names("a cat-toy cat", cat, cat_toy) == ["cat-toy", "cat"] == names("a cat - toy cat", cat_toy, cat)
    assert names("cats and catfish", cat) == []
    assert names("(cat:1.3) [cat|dog]", cat) == ["cat", "cat"]
    # What emphasis cuts apart is no longer the name.
    assert names("(cat:1.2)-toy", cat_toy) == []
    assert names("a \\(cat\\)", word("(cat)", 1)) == ["(cat)"] and names("a (cat)", word("(cat)", 1)) == []
    assert names("a (cat)", word("(cat)", 1), emphasis="None") == ["(cat)"]
    assert names("cat", word("", 1), word(" ", 1)) == []
    first, second = word("cat", 1), replace(word("Cat", 4), key="other")
    assert names("cat", first, second) == ["cat"]


def test_weights_are_those_of_the_word():
    three = word("cat", 3)
    (chunk,) = clip_chunker().chunks("a (cat:1.5) dog", Reading(words=Words((three,))))
    assert chunk.weights == (1.0, 1.5, 1.5, 1.5, 1.0) and chunk.learned == ((1, three),)
    assert clip_chunker().padded(chunk).learned == ((2, three),)
    # A model that is told one piece reads the name as words.
    assert clip_chunker().cut("a cat", Reading(words=Words((three,)))).learned == ()


def extended(network, own):
    """The same text encoder with a token more for each vector: what an embedding means, by hand."""
    config = type(network.config)(**network.config.to_dict() | {"vocab_size": network.config.vocab_size + len(own)})
    made = type(network)(config).eval()
    state = network.state_dict()
    (table,) = (name for name in state if name.endswith("token_embedding.weight"))
    made.load_state_dict(state | {table: torch.cat([state[table], own])})
    return made


@torch.inference_mode()
def test_the_encoder_is_given_the_vectors_in_place_of_tokens(tiny_checkpoint):
    network = CLIPTextModel.from_pretrained(tiny_checkpoint / "text_encoder").eval()
    chunker = load_model(tiny_checkpoint)._text.chunker
    cat, dog = word("cat", 3, WIDTH, 1), word("dog", 1, WIDTH, 2)
    both = torch.cat([torch.from_numpy(cat.vectors[0]), torch.from_numpy(dog.vectors[0])])
    by_hand = extended(network, both)
    tokens, first = chunker.tokens, network.config.vocab_size
    ids = [chunker.start, *tokens("a"), first, first + 1, first + 2, *tokens("red"), first + 3, chunker.end]
    ids += [chunker.pad] * (77 - len(ids))
    wanted = by_hand(torch.tensor([ids]), output_hidden_states=True)
    reading = Reading("No norm", words=Words((cat, dog)))
    text = ClipText(network, chunker)
    assert torch.equal(text.states("a cat red dog", 1, reading=reading), wanted.last_hidden_state)
    skipped = by_hand.final_layer_norm(wanted.hidden_states[-2])
    assert torch.allclose(text.states("a cat red dog", 1, 2, reading), skipped, atol=1e-5)
    weighted = wanted.last_hidden_state.clone()
    weighted[:, 2:5] *= 1.5
    assert torch.equal(text.states("a (cat:1.5) red dog", 1, reading=reading), weighted)
    # Nothing of it stays behind.
    assert torch.equal(text.states("a b", 1), text.states("a b", 1, reading=reading))
    assert not network.get_input_embeddings()._forward_hooks


@torch.inference_mode()
def test_each_of_two_encoders_is_given_its_own(tmp_path):
    model = singles.sd("sdxl")
    loaded = load_model(singles.sd_folder(model, tmp_path / "large"))
    small, large = vectors(2, 64, 1), vectors(2, 64, 2)
    cat = Learned("cat", "", 2, (small.numpy(), large.numpy()))
    purpose = Purpose(64, 64, reading=Reading(words=Words((cat,))))
    made = loaded.encode("a cat", 1, purpose)
    answers = []
    for name, own in (("text_encoder", small), ("text_encoder_2", large)):
        network = extended(model[name], own)
        first, pad = model[name].config.vocab_size, 49407 if name == "text_encoder" else 0
        ids = torch.tensor([[49406, 320, first, first + 1, 49407, *[pad] * 72]])
        answers.append(network(ids, output_hidden_states=True))
    states = torch.cat([answer.hidden_states[-2] for answer in answers], dim=-1)
    assert torch.allclose(made.context, states, atol=1e-4)
    # The end is looked for among the tokens as they are.
    pooled = answers[1].last_hidden_state[:, 4] @ model["text_encoder_2"].text_projection.weight.T
    assert torch.allclose(made.pooled, pooled, atol=1e-4)


def test_words_are_values():
    cat = word("cat", 1, WIDTH)
    assert Words((cat,)) == Words((word("cat", 1),)) != Words((word("cat", 1, seed=1),))
    assert hash(Reading(words=Words((cat,)))) == hash(Reading(words=Words((word("cat", 1),))))
    assert not Words() and Words((cat,)) and repr(Words((cat,))) == "Words(['cat'])"
