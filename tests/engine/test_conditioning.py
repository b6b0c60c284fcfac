"""Texts are encoded once, in equal lengths, and laid out over the steps."""

import torch

from webui.engine.conditioning import Conditioner, Timeline
from webui.engine.families.base import Purpose
from webui.engine.families.unet_model import TextStates


class Counting:
    """A model that counts what it encodes; a chunk is ten letters."""

    def __init__(self):
        self.encoded = []

    def chunk_count(self, text):
        return max(1, -(-len(text) // 10))

    def encode(self, text, chunks, purpose):
        self.encoded.append((text, chunks, purpose))
        return TextStates(torch.zeros(1, 77 * chunks, 8))


def test_equal_texts_are_encoded_once_and_are_one_object():
    model, conditioner = Counting(), Conditioner()
    first, negative = conditioner.encode(model, "a", "", Purpose(64, 32))
    second, same = conditioner.encode(model, "a", "", Purpose(64, 32))
    assert first.at(0) is second.at(9) and negative.at(0) is same.at(0)
    assert model.encoded == [("a", 1, Purpose(64, 32)), ("", 1, Purpose(64, 32, True))]
    # Some families tell the network the picture's size beside the text.
    assert conditioner.encode(model, "a", None, Purpose(64, 64))[0].at(0) is not first.at(0)


def test_the_shorter_text_is_padded_to_the_longer():
    model = Counting()
    prompt, negative = Conditioner().encode(model, "x" * 25, "", Purpose(64, 32))
    assert model.encoded == [("x" * 25, 3, Purpose(64, 32)), ("", 3, Purpose(64, 32, True))]
    assert prompt.at(0).context.shape == negative.at(0).context.shape


def test_without_guidance_only_the_prompt_is_encoded():
    model = Counting()
    assert Conditioner().encode(model, "a", None, Purpose(64, 32))[1] is None
    assert model.encoded == [("a", 1, Purpose(64, 32))]


def test_models_do_not_share_and_old_texts_go_first():
    one, other = Counting(), Counting()
    conditioner = Conditioner(budget_bytes=2 * 77 * 8 * 4)
    for text in ("a", "b", "a", "c", "a", "b"):
        conditioner.encode(one, text, None, Purpose(64, 32))
    conditioner.encode(other, "a", None, Purpose(64, 32))
    assert [text for text, *_ in one.encoded] == ["a", "b", "c", "b"]
    assert other.encoded == [("a", 1, Purpose(64, 32))]


def test_a_timeline_changes_at_its_steps():
    first, second, third = (TextStates(torch.zeros(1, 77, 8)) for _ in range(3))
    timeline = Timeline(((2, first), (5, second), (9, third)))
    assert [timeline.at(step) for step in (0, 1, 2, 4, 5, 20)] == [first, first, second, second, third, third]
