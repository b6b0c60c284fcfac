"""The loop: mixed lanes share forward passes and come out as they come out alone; memory running out; turns."""

import itertools
from collections import Counter

import pytest
import torch

from tests.engine.helpers import STARTER, Loop, load_model
from webui.core.errors import BadNumbers, OutOfMemory
from webui.engine.hooks import LaneHooks
from webui.engine.latents import check
from webui.plugins.builtin.samplers import samplers


@pytest.fixture(scope="module", params=["tiny", "starter"])
def model_and_side(request, tiny):
    """A model, and the side of its pictures in pixels."""
    return (tiny, 64) if request.param == "tiny" else (load_model(STARTER), 128)


def in_step():
    """Our own samplers and two of diffusers', without the one whose steps, and so whose passes, the model decides."""
    ours = [row for row in samplers() if row.group == "Built in" and row.name != "DPM adaptive"]
    return ours + [row for row in samplers() if row.name in ("UniPC (diffusers)", "DDPM (diffusers)")]


def mixed(ask, side):
    """A request for each sampler row, each with steps, CFG, seed, schedule and text of its own."""
    schedules = itertools.cycle(["Karras", "Automatic", "Exponential", "Uniform", "Normal"])
    texts = itertools.cycle(["a red circle", "three blue stars, " * 30, "a green square"])
    chosen = in_step()[:: 1 if side == 64 else 4]
    return {
        row.name: ask(
            sampler_name=row.name, scheduler=schedule, steps=4 + place % 3, prompt=text, seed=100 + place,
            cfg_scale=1.0 if place % 4 == 3 else 3.0 + place % 8, negative_prompt="ugly " * (place % 3),
            batch_size=1 + place % 2, width=side, height=side,
        )
        for place, (row, schedule, text) in enumerate(zip(chosen, schedules, texts, strict=False))
    }  # fmt: skip


def test_every_sampler_in_a_mixed_batch_gives_its_own_picture(model_and_side, registry, ask):
    model, side = model_and_side
    requests = mixed(ask, side)
    alone, asks, rows = {}, {}, {}
    for name, request in requests.items():
        single = Loop(model, registry)
        rows[name] = single.add(name, request).rows
        alone |= single.run()
        assert set(single.rows) == {rows[name]} and rows[name] == request.batch_size * (1 + (request.cfg_scale != 1))
        asks[name] = len(single.rows)
    together = Loop(model, registry, max_rows=128)
    for name, request in requests.items():
        together.add(name, request)
    pictures = together.run()
    # One forward pass answers the open asks of all lanes: as many passes as the longest lane asks, no more.
    expected = [sum(rows[n] for n in requests if asks[n] > turn) for turn in range(max(asks.values()))]
    assert together.rows == expected
    assert len(expected) < sum(asks.values()) / 3 and max(expected) == sum(rows.values())
    for name in requests:
        assert abs(pictures[name] - alone[name]).max() <= 1, name
    # Not one blank sheet beside another.
    assert sum(picture.std() > 5 for picture in pictures.values()) > len(pictures) / 2


def test_pictures_of_one_batch_depend_on_their_own_seeds_only(loop, ask):
    loop.add("batch", ask(batch_size=3, seed=5))
    loop.add("middle", ask(seed=6))
    pictures = loop.run()
    assert abs(pictures["batch"][1] - pictures["middle"][0]).max() <= 1
    assert abs(pictures["batch"][0] - pictures["middle"][0]).max() > 3


def test_lanes_join_and_leave_between_asks(loop, ask, tiny, registry):
    loop.add("long", ask(steps=6))
    loop.turn(2)
    loop.add("late", ask(steps=3, seed=9, sampler_name="Heun"))
    pictures = loop.run()
    # Heun asks twice a step but once in the last: 5 asks beside the 4 that are left of the long one.
    assert loop.rows == [2, 2, 4, 4, 4, 4, 2]
    single = Loop(tiny, registry)
    single.add("late", ask(steps=3, seed=9, sampler_name="Heun"))
    assert abs(single.run()["late"] - pictures["late"]).max() <= 1
    assert loop.steps["long"] == [0, 1, 2, 3, 4, 5, 6] and loop.steps["late"] == [0, 1, 2, 3]


def test_alone_shares_with_nobody(loop, ask):
    loop.add("alone", ask(), alone=True)
    loop.add("a", ask(seed=1))
    loop.add("b", ask(seed=2))
    loop.run()
    assert Counter(loop.rows) == {2: 4, 4: 4}


def test_other_sizes_and_attention_are_groups_of_their_own_that_take_turns(loop, ask):
    loop.add("small", ask())
    loop.add("wide", ask(width=128))
    loop.add("math", ask(attention="math"))
    pictures = loop.run()
    assert loop.rows == [2] * 12
    assert abs(pictures["small"] - pictures["math"]).max() <= 1
    assert pictures["wide"].shape == (1, 64, 128, 3)


def test_a_new_group_does_not_starve_an_old_one(loop, ask):
    loop.add("old", ask(steps=20))
    loop.turn(10)
    loop.add("new", ask(steps=20, width=128))
    loop.turn(8)
    assert loop.steps["old"][-1] > 11 and loop.steps["new"][-1] > 1


def test_more_rows_than_fit_take_turns_in_even_shares(tiny, registry, ask):
    loop = Loop(tiny, registry, max_rows=6)
    for seed in range(4):
        loop.add(seed, ask(seed=seed, steps=3))
    pictures = loop.run()
    assert loop.rows == [4] * 6
    for seed in range(4):
        single = Loop(tiny, registry)
        single.add(seed, ask(seed=seed, steps=3))
        assert abs(single.run()[seed] - pictures[seed]).max() <= 1


class Forgetful:
    """A model whose forward passes run out of memory above a number of rows."""

    def __init__(self, model, most):
        self._model, self.most, self.refused = model, most, []

    def __getattr__(self, name):
        return getattr(self._model, name)

    def predict(self, x, sigmas, context):
        if len(sigmas) > self.most:
            self.refused.append(len(sigmas))
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return self._model.predict(x, sigmas, context)


def test_out_of_memory_halves_the_group_and_answers_the_same_asks(tiny, registry, ask):
    requests = {seed: ask(seed=seed, cfg_scale=2.0 + seed, sampler_name="DPM++ 2M") for seed in range(4)}
    model = Forgetful(tiny, most=3)
    loop = Loop(model, registry)
    for seed, request in requests.items():
        loop.add(seed, request)
    pictures = loop.run()
    # Eight rows, then four, are refused once; from then on lanes take turns two rows at a time.
    assert model.refused == [8, 4] and loop.rows == [2] * 16
    for seed, request in requests.items():
        single = Loop(tiny, registry)
        single.add(seed, request)
        assert abs(single.run()[seed] - pictures[seed]).max() <= 1


def test_a_group_that_was_halved_grows_again(tiny, registry, ask):
    model = Forgetful(tiny, most=2)
    loop = Loop(model, registry, max_rows=4)
    loop.add("a", ask(steps=150))
    loop.add("b", ask(steps=150, seed=8))
    loop.turn(3)
    model.most = 4
    loop.turn(70)
    assert loop.rows[-1] == 4


def test_one_row_that_does_not_fit_fails_its_own_lane_only(tiny, registry, ask):
    model = Forgetful(tiny, most=8)
    loop = Loop(model, registry)
    first = loop.add("poor", ask(width=128))
    loop.add("fine", ask())
    predict = model.predict

    def small_only(x, sigmas, context):
        if x.shape[-1] == first.ask.x.shape[-1]:
            raise RuntimeError(
                "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
            )
        return predict(x, sigmas, context)

    model.predict = small_only
    with pytest.raises(OutOfMemory, match="128 × 64"):
        loop.run()
    assert loop.ends["fine"].error is None


def test_a_failure_of_one_lane_reaches_no_other(loop, ask):
    def stumbles(question):
        yield question
        raise ZeroDivisionError("a stranger's sampler")

    loop.add("fine", ask())
    bad = loop.add("bad", ask(seed=3))
    bad._sampling = stumbles(bad.ask)
    next(bad._sampling)
    with pytest.raises(ZeroDivisionError):
        loop.run()
    assert loop.ends["fine"].error is None and loop.steps["fine"][-1] == 4


def test_bad_numbers_are_said_with_ways_out():
    check(torch.zeros(1, 4, 8, 8))
    with pytest.raises(BadNumbers) as caught:
        check(torch.tensor([0.0, float("nan")]))
    assert len(caught.value.remedies) >= 3


class Hooks(LaneHooks):
    """Step hooks that note what they saw, and push the latents."""

    def __init__(self, push=0.0):
        super().__init__()
        self.push, self.seen, self.sigmas = push, [], []

    def before_step(self, latents, step, sigma, place=None):
        self.seen.append(("before", step))
        self.sigmas.append(sigma)
        return latents + self.push

    def after_step(self, latents, step, sigma, place=None):
        self.seen.append(("after", step))
        self.sigmas.append(sigma)
        return latents


def test_step_hooks_see_each_step_and_change_the_latents(tiny, registry, ask):
    pictures = []
    for push in (0.0, 0.5):
        hooks = Hooks(push)
        loop = Loop(tiny, registry, hooks=hooks)
        loop.add("a", ask(steps=2, sampler_name="Heun"))
        pictures.append(loop.run()["a"])
        assert hooks.seen == [("before", 0), ("after", 0), ("before", 1), ("after", 1)]
        first, second, again, last = hooks.sigmas
        assert first > second == again > last == 0
    assert abs(pictures[0] - pictures[1]).max() > 2
