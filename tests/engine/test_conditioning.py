"""Texts are encoded once, in equal lengths, and laid out over the calls of the model."""

import pytest
import torch

from webui.core.errors import InvalidField
from webui.core.prompt.wording import Rules, read_negative, read_prompt
from webui.engine.conditioning import Abandoned, Conditioner, Timeline
from webui.engine.families.base import Purpose
from webui.engine.families.unet_model import TextStates


class Counting:
    """A model that counts what it encodes; a chunk is ten letters."""

    def __init__(self):
        self.encoded = []

    def chunk_count(self, text, purpose):
        return max(1, -(-len(text) // 10))

    def encode(self, text, chunks, purpose):
        self.encoded.append((text, chunks, purpose))
        return TextStates(torch.zeros(1, 77 * chunks, 8))


def encode(model, prompt, negative, purpose=Purpose(64, 32), conditioner=None):
    """The two texts' conditionings, for ten calls."""
    rules = Rules(10)
    wanted = None if negative is None else read_negative(negative, rules)
    return (conditioner or Conditioner()).encode(model, read_prompt(prompt, rules), wanted, purpose)


def test_equal_texts_are_encoded_once_and_are_one_object():
    model, conditioner = Counting(), Conditioner()
    first, negative = encode(model, "a", "", conditioner=conditioner)
    second, same = encode(model, "a", "", conditioner=conditioner)
    assert first.at(0)[0] is second.at(9)[0] and negative.at(0) is same.at(0)
    assert model.encoded == [("a", 1, Purpose(64, 32)), ("", 1, Purpose(64, 32, True))]
    # Some families tell the network the picture's size beside the text.
    assert encode(model, "a", None, Purpose(64, 64), conditioner)[0].at(0)[0] is not first.at(0)[0]


def test_the_shorter_text_is_padded_to_the_longer():
    model = Counting()
    prompt, negative = encode(model, "x" * 25, "")
    assert model.encoded == [("x" * 25, 3, Purpose(64, 32)), ("", 3, Purpose(64, 32, True))]
    assert prompt.at(0)[0].context.shape == negative.at(0).context.shape


def test_without_guidance_only_the_prompt_is_encoded():
    model = Counting()
    assert encode(model, "a", None)[1] is None
    assert model.encoded == [("a", 1, Purpose(64, 32))]


def test_models_do_not_share_and_old_texts_go_first():
    one, other = Counting(), Counting()
    conditioner = Conditioner(budget_bytes=2 * 77 * 8 * 4)
    for text in ("a", "b", "a", "c", "a", "b"):
        encode(one, text, None, conditioner=conditioner)
    encode(other, "a", None, conditioner=conditioner)
    assert [text for text, *_ in one.encoded] == ["a", "b", "c", "b"]
    assert other.encoded == [("a", 1, Purpose(64, 32))]


def test_a_text_that_changes_is_encoded_once_for_each_of_its_states_at_one_length():
    model = Counting()
    prompt, negative = encode(model, "[a|b] [c:cccccccccccc:5]", "[x:y:2]")
    assert [(text, chunks) for text, chunks, _ in model.encoded] == [
        (text, 2) for text in ("a c", "b c", "b cccccccccccc", "a cccccccccccc", "x", "y")
    ]
    # The first entry holds for one call more than it says, as A1111 counts.
    states = [prompt.at(call)[0] for call in range(10)]
    assert states[0] is states[1] is states[3] is states[5] and states[2] is states[4]
    assert states[6] is states[8] and states[7] is states[9] and len({id(one) for one in states}) == 4
    assert negative.at(2) is negative.at(0) is not negative.at(3)


def test_texts_between_and_keep_their_weights_and_times():
    model = Counting()
    prompt, _ = encode(model, "a AND [b:c:4] :-0.5", None)
    assert prompt.weights == (1.0, -0.5)
    assert prompt.at(0)[0] is prompt.at(9)[0] and prompt.at(4)[1] is not prompt.at(5)[1]


def test_modes_of_reading_are_not_taken_for_each_other():
    model, conditioner = Counting(), Conditioner()
    for reading in ("Original", "No norm", "Original"):
        purpose = Purpose(64, 32, reading=reading)
        encode(model, "(a)", None, purpose, conditioner)
    assert [purpose.reading for _, _, purpose in model.encoded] == ["Original", "No norm"]


def test_a_timeline_changes_after_its_calls():
    first, second, third = (TextStates(torch.zeros(1, 77, 8)) for _ in range(3))
    timeline = Timeline(((2, first), (5, second), (9, third)))
    found = [timeline.at(call) for call in (0, 1, 2, 3, 5, 6, 20)]
    assert found == [first, first, first, second, second, third, third]


def test_texts_that_would_take_too_long_to_encode_are_refused_before_the_first():
    model, changing = Counting(), "[a|b|c|d|e|f]"
    encode(model, changing + "x" * 1_000, "")
    assert len(model.encoded) == 7
    with pytest.raises(InvalidField, match=r"7 texts .* as 1001 chunks"):
        encode(model, changing + "x" * 10_000, "")
    assert len(model.encoded) == 7
    # A prompt that does not change may be as long as it likes.
    encode(model, "x" * 20_000, "y" * 20_000)
    assert [chunks for _, chunks, _ in model.encoded[7:]] == [2_000, 2_000]


def test_who_is_no_longer_waited_for_encodes_no_further_text():
    model, wording = Counting(), read_prompt("[a|b|c|d]", Rules(10))
    with pytest.raises(Abandoned):
        Conditioner().encode(model, wording, None, Purpose(64, 32), given_up=lambda: len(model.encoded) == 2)
    assert len(model.encoded) == 2
