"""What prompts say is what is computed: by hand on a tiny model, and by what the starter draws."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from tests.engine.helpers import STARTER, Loop, load_model
from webui.core.events import Note
from webui.core.request import GenerationRequest
from webui.engine.checkpoints.tokens import Reading
from webui.engine.families.base import Purpose
from webui.engine.guidance import composed
from webui.engine.schedules import noise_levels
from webui.plugins.resolve import resolve

STEPS = 6
# What rounding comes to stays far below; texts make at least so much of a difference to the tiny model's latents.
LEAST = 3e-4
EULER = {"sampler_name": "Euler", "scheduler": "Karras", "steps": STEPS, "cfg_scale": 5.0, "negative_prompt": "dull"}


def purpose(mode="Original", skip=1):
    return Purpose(64, 64, clip_skip=skip, reading=Reading(mode))


def alike(one, other):
    """Whether latents are the same but for rounding."""
    return (one - other).abs().max() < LEAST


def predict(model, x, sigma, text, negative=False):
    return model.predict(x, [sigma], model.stack([model.encode(text, 1, Purpose(64, 64, negative))]))


@pytest.fixture
def by_hand(tiny, registry, ask):
    """Euler's formula with given texts: a function of the call gives [(text, weight)], the negative text, the scale."""

    @torch.inference_mode()
    def draw(says, negative="dull", scale=5.0):
        request = ask(**EULER)
        sampler, schedule = registry.samplers.get("Euler"), registry.schedules.get("Karras")
        sigmas = noise_levels(sampler, schedule, STEPS, tiny.schedule_at(64, 64), registry, resolve)
        x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(request.seed)) * sigmas[0]
        for call, (sigma, following) in enumerate(pairwise(sigmas)):
            uncond = predict(tiny, x, sigma, negative, True)
            parts = [(predict(tiny, x, sigma, text), weight) for text, weight in says(call)]
            denoised = uncond + sum(weight * scale * (cond - uncond) for cond, weight in parts)
            x = x + (x - denoised) / sigma * (following - sigma)
        return x

    return draw


@pytest.fixture
def draw(tiny, registry, ask):
    """The latents of a prompt by the loop."""

    def draw(prompt, **asked):
        loop = Loop(tiny, registry)
        loop.add("one", ask(**EULER | {"prompt": prompt} | asked))
        loop.run()
        return loop.ends["one"].latents

    return draw


def test_a_change_comes_one_call_after_its_number(draw, by_hand):
    made = draw("[a red circle:a green square:3]")
    assert alike(made, by_hand(lambda call: [("a red circle" if call <= 3 else "a green square", 1)]))
    assert not alike(made, by_hand(lambda call: [("a red circle" if call <= 2 else "a green square", 1)]))
    assert np.array_equal(made, draw("[a red circle:a green square:0.5]"))


def test_a_change_at_an_end_is_the_one_text_or_the_other(draw):
    first, second = draw("red circle"), draw("green square")
    assert torch.equal(draw("[red circle:green square:1.0]"), first)
    assert torch.equal(draw("[red circle:green square:0]"), second)
    between = draw("[red circle:green square:0.5]")
    assert not alike(between, first) and not alike(between, second)


def test_alternation_takes_turns(draw, by_hand):
    says = lambda call: [("red" if max(call, 1) % 2 else "blue", 1)]  # noqa: E731
    assert alike(draw("[red|blue]"), by_hand(says))


def test_the_negative_prompt_changes_too(draw, by_hand):
    made = draw("a red house", negative_prompt="[dull:grey:6] # nothing else")
    assert alike(made, by_hand(lambda call: [("a red house", 1)]))
    assert not alike(made, draw("a red house", negative_prompt="[dull:grey:2]"))


def test_a_second_order_sampler_counts_calls(draw):
    heun = {"sampler_name": "Heun", "s_churn": 0.0}
    # 2N calls are counted: number 6 is the middle of six steps, and so is the share.
    assert torch.equal(draw("[red:blue:6]", **heun), draw("[red:blue:0.5]", **heun))
    assert not alike(draw("[red:blue:6]", **heun), draw("red", **heun))
    assert torch.equal(draw("[red:blue:12]", **heun), draw("red", **heun))


def test_texts_between_and_lead_away_from_the_negative_one(draw, by_hand):
    made = draw("a red house AND a blue star :0.5")
    assert alike(made, by_hand(lambda call: [("a red house", 1), (" a blue star", 0.5)]))
    made = draw("a red house AND a blue star :-0.4")
    assert alike(made, by_hand(lambda call: [("a red house", 1), (" a blue star", -0.4)]))
    plain = draw("a red house")
    assert alike(draw("a red house AND a blue star :0"), plain)
    assert alike(draw("a red house :0.5 AND a red house :0.5"), plain)
    assert alike(draw("a red house :1.5"), by_hand(lambda call: [("a red house", 1.5)]))


def test_at_a_scale_of_1_a_composition_is_guided_and_a_text_is_not(tiny, registry, ask, by_hand):
    loop = Loop(tiny, registry)
    loop.add("two", ask(**EULER | {"prompt": "a AND b", "cfg_scale": 1.0}))
    loop.run()
    made = loop.ends["two"].latents
    assert loop.rows == [3] * STEPS
    assert alike(made, by_hand(lambda call: [("a", 1), (" b", 1)], scale=1.0))
    loop = Loop(tiny, registry)
    loop.add("one", ask(**EULER | {"prompt": "a", "cfg_scale": 1.0}))
    loop.add("unguided", ask(**EULER | {"prompt": "a AND b", "cfg_scale": 1.0, "abilities": ""}))
    loop.run()
    assert loop.rows == [1 + 2] * STEPS


def test_rows_of_compositions_share_passes_with_others(tiny, registry, ask):
    requests = {
        "composed": ask(**EULER | {"prompt": "red AND [a|b|c] AND blue :-1", "batch_size": 2, "seed": 5}),
        "plain": ask(**EULER | {"prompt": "red", "seed": 9}),
        "changing": ask(**EULER | {"prompt": "[red:blue:3]", "seed": 4, "cfg_scale": 1.0}),
    }
    loop = Loop(tiny, registry)
    for name, request in requests.items():
        loop.add(name, request)
    together = loop.run()
    assert loop.rows == [2 * 4 + 2 + 1] * STEPS
    for name, request in requests.items():
        alone = Loop(tiny, registry)
        alone.add(name, request)
        assert abs(alone.run()[name] - together[name]).max() <= 1


def test_where_guidance_is_left_out_texts_are_mixed_by_their_weights():
    rows = torch.tensor([1.0, 4.0, 7.0]).view(3, 1, 1, 1)
    uncond = torch.tensor([2.0, 3.0]).view(2, 1, 1, 1)
    weights = [(1.0, 3.0), (1.0,)]
    assert composed(uncond, rows, weights).flatten().tolist() == [2 + (1 - 2) + 3 * (4 - 2), 7]
    assert composed(None, rows, weights).flatten().tolist() == [(1 + 3 * 4) / 4, 7]
    assert composed(None, rows[:2], [(1.0, -1.0)]).flatten().tolist() == [1 + (1 - 1) - (4 - 1)]
    assert composed(uncond, rows[:2], [(1.0,), (1.0,)]) is not None
    # A mean by weights of which one is negative, or that nearly cancel out, would be many times what the texts are.
    three = torch.tensor([1.0, 2.0, 3.0]).view(3, 1, 1, 1)
    expected = torch.tensor([1 + 0.2 * (2 - 1) - 0.3 * (3 - 1)])
    assert torch.allclose(composed(None, three, [(0.1, 0.2, -0.3)]).flatten(), expected)
    assert torch.allclose(composed(None, three[:2], [(1.0, -0.99)]).flatten(), torch.tensor([1 - 0.99 * (2 - 1)]))
    assert composed(None, three[:2], [(0.0, 1e-9)]).flatten().tolist() == [1]
    assert composed(None, three[:1], [(-2.0,)]).flatten().tolist() == [1]


def test_what_looks_like_an_adapter_and_is_none_is_said(bench, ask):
    bench.engine.submit("job", ask(prompt="a red house <hypernet:x:1>", steps=1))
    bench.heard.pictures("job")
    assert any("<hypernet:…>" in note.text for note in bench.heard.of("job", Note))


@torch.inference_mode()
def test_weights_multiply_the_vectors_and_original_keeps_their_mean(tiny):
    plain = tiny.encode("a red circle", 1, purpose()).context
    weights = torch.ones(1, 77, 1)
    red = tiny._text.chunker.tokens("a red circle").index(tiny._text.chunker.tokens("red")[0]) + 1
    weights[0, red] = 1.7
    by_weights = plain * weights
    assert torch.equal(tiny.encode("a (red:1.7) circle", 1, purpose("No norm")).context, by_weights)
    original = tiny.encode("a (red:1.7) circle", 1, purpose()).context
    assert torch.allclose(original, by_weights * plain.mean() / by_weights.mean(), atol=1e-6)
    assert not torch.allclose(original, by_weights, atol=1e-6)
    assert torch.equal(tiny.encode("a (red:1.7) circle", 1, purpose("Ignore")).context, plain)
    literal = tiny.encode("a (red:1.7) circle", 1, purpose("None")).context
    assert torch.equal(literal, tiny.encode(r"a \(red:1.7\) circle", 1, purpose()).context)
    assert not torch.equal(literal, plain)


@torch.inference_mode()
def test_a_weight_of_1_and_no_weight_are_the_same_to_the_bit(tiny):
    plain = tiny.encode("a red circle", 1, purpose()).context
    assert torch.equal(tiny.encode("a (red:1) [(circle)]", 1, purpose()).context, plain)
    assert tiny.encode("((((red:0))))", 1, purpose()).context.isfinite().all()
    assert tiny.encode("(" * 9000 + "red", 1, purpose()).context.isfinite().all()


@torch.inference_mode()
def test_clip_skip_is_weighted_too(tiny):
    plain, weighted = (tiny.encode(text, 1, purpose("No norm", 2)).context for text in ("red", "(red:2)"))
    assert torch.equal(weighted[:, 1], plain[:, 1] * 2) and torch.equal(weighted[:, 2:], plain[:, 2:])


@torch.inference_mode()
def test_each_chunk_is_encoded_by_itself_and_break_ends_one(tiny):
    whole = tiny.encode("a red circle BREAK blue", 3, purpose()).context
    parts = [tiny.encode(text, 1, purpose()).context for text in ("a red circle", "blue", "")]
    assert torch.equal(whole, torch.cat(parts, dim=1))
    assert tiny.chunk_count("a red circle BREAK blue", purpose()) == 2


# What the starter draws


@pytest.fixture(scope="module")
def starter():
    return load_model(STARTER)


@pytest.fixture(scope="module")
def drawn(starter, registry):
    """Pictures (seeds, height, width, 3) of prompts, all in one loop."""

    def draw(*prompts, seeds=3, **asked):
        loop = Loop(starter, registry)
        for prompt in prompts:
            values = {
                "prompt": prompt, "steps": 12, "cfg_scale": 4.0, "width": 128, "height": 128, "batch_size": seeds,
                "sampler_name": "DPM++ 2M", "scheduler": "Karras", "seed": 7, "checkpoint": STARTER.name,
            }  # fmt: skip
            loop.add(prompt, GenerationRequest.from_values(values | asked))
        pictures = loop.run()
        return [pictures[prompt] for prompt in prompts]

    return draw


def share(pictures, colour):
    """Of each picture, how much of it is of this colour."""
    place = ["red", "green", "blue"].index(colour)
    others = pictures[..., [other for other in range(3) if other != place]].max(-1)
    return ((pictures[..., place] > 110) & (others < pictures[..., place] - 60)).mean((1, 2))


def test_a_drawing_that_changes_half_way_has_what_came_second_where_the_first_was(drawn):
    circle, square, early, late = drawn(
        "red circle", "green square", "[red circle:green square:0.1]", "[red circle:green square:0.9]"
    )
    assert (share(circle, "red") > 0.05).all() and (share(square, "green") > 0.05).all()
    assert (share(early, "green") > 0.05).all() and (share(early, "red") < 0.02).all()
    assert (share(late, "red") > 0.05).all() and (share(late, "green") < 0.02).all()


def test_two_texts_are_both_obeyed(drawn):
    alone, both, less = drawn(
        "red circle", "red circle AND on a blue background", "red circle AND on a blue background :-1"
    )
    assert (share(alone, "blue") < 0.1).all() and (share(less, "blue") < 0.1).all()
    assert (share(both, "blue") > 0.5).all() and (share(both, "red") > 0.1).all()


def test_words_of_little_weight_are_hardly_seen(drawn):
    both, less = drawn("a red circle and a blue square", "a red circle and a (blue square:0.2)")
    assert (share(both, "blue") > 0.08).all() and (share(less, "blue") < 0.02).all()
    assert (share(less, "red") > 0.08).all()
    red, little, none = drawn("red circle", "(red circle:0.2)", "(red circle:0)")
    assert (share(red, "red") > share(little, "red") + 0.01).all()
    assert (share(little, "red") > share(none, "red") + 0.05).all()


def test_the_fourth_chunk_is_read(drawn, starter):
    long = "masterpiece, best quality, " * 60
    prompts = [f"{long} {colour} circle" for colour in ("red", "blue")]
    assert min(len(starter._text.chunker.tokens(prompt)) for prompt in prompts) >= 300
    red, blue = drawn(*prompts, seeds=2)
    assert (share(red, "red") > share(red, "blue") + 0.03).all() and (
        share(blue, "blue") > share(blue, "red") + 0.03
    ).all()


def test_words_behind_a_break_are_read(drawn):
    plain, broken = drawn("a red circle on a blue background", "a red circle BREAK on a blue background")
    assert (share(broken, "blue") > 0.3).sum() >= 2
    assert abs(plain - broken).max() > 8


def test_alternating_texts_make_neither_picture(drawn):
    red, blue, mixed = drawn("red circle", "blue circle", "[red|blue] circle")
    assert abs(mixed - red).max() > 30 and abs(mixed - blue).max() > 30
    assert (share(mixed, "green") < 0.02).all()
