"""Whom lanes with different adapters share passes with: by what was measured, seen by counting forward passes."""

import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
from torch import nn

from tests.engine.adapters.made import as_kohya, lora, write
from tests.engine.adapters.test_jobs import BLOCK, house, weight_of, weights  # noqa: F401 house is a fixture
from tests.engine.helpers import Bench, pixels
from webui.core.drawn import Drawn
from webui.core.model_folders import ModelFolders
from webui.engine.adapters.beside import Beside, RowsMixed
from webui.engine.adapters.fitting import AdapterSet
from webui.engine.adapters.sharing import TOGETHER, Together
from webui.engine.attention.shortcuts import WHOLE
from webui.engine.config import EngineConfig, Sharing
from webui.engine.lanes import GroupKey

PLACE = GroupKey(1, "sdpa", WHOLE, (4, 8, 8))
MODEL = SimpleNamespace(denoiser=nn.Identity())


def lane(name, alone=None):
    """One whose set is called so, and computable beside the network."""
    key = replace(PLACE, adapters=(name,) if name else (), alone=alone)
    return SimpleNamespace(key=key, model=MODEL, adapters=AdapterSet())


def timings(together, turns, shared):
    """Two sets meet and are measured, with these seconds for two rows; what was decided about seats, in order."""
    sets = {("a",), ("b",)}
    moved = [together.met(PLACE, sets)]
    for name in ("a", "a", "b", "b"):
        moved.append(together.timed(lane(name).key, turns, {(name,): 2}))
    while together.key(lane("a")).adapters == TOGETHER and len(moved) < 12:
        moved.append(together.timed(replace(PLACE, adapters=TOGETHER), shared, {("a",): 2, ("b",): 2}))
    return moved


def test_sets_share_where_that_is_quicker_and_remember_it():
    together = Together()
    assert timings(together, 1.0, 1.2)[-1] is False
    assert together.key(lane("a")).adapters == together.key(lane("b")).adapters == TOGETHER
    assert together.key(lane("a", alone="by itself")).adapters == ("a",)
    assert together.met(PLACE, {("a",)})
    assert together.key(lane("a")).adapters == ("a",)
    # Measured once.
    assert together.met(PLACE, {("a",), ("c",)})
    assert together.key(lane("c")).adapters == TOGETHER


def test_sets_take_turns_where_that_is_quicker_and_are_not_tried_again():
    together = Together()
    moved = timings(together, 1.0, 1.95)
    # Together for the trial of three passes, and apart again.
    assert moved == [False, False, False, False, True, False, False, True]
    assert together.key(lane("a")).adapters == ("a",)
    assert timings(together, 1.0, 1.95) == [False] * 5


def test_the_first_pass_after_another_group_s_is_not_counted():
    together, sets = Together(), {("a",), ("b",)}
    together.met(PLACE, sets)
    assert not any(together.timed(lane(name).key, 1.0, {(name,): 2}) for name in "abababab")


def test_a_pass_in_whose_course_sets_met_is_not_counted():
    together = Together()
    for name in "aabb":
        assert not together.timed(lane(name).key, 9.0, {})
    assert timings(together, 1.0, 1.2)[-1] is False
    for name in "aabb":
        assert not together.timed(lane(name).key, 9.0, {})


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("bench", [Sharing.MEASURED], indirect=True)
def test_a_job_goes_from_pictures_with_adapters_to_those_without(bench, ask, order):
    texts = "a red house <lora:first>", "a red house"
    alone = [bench.make(ask(prompt=text, steps=3, seed=7 + place))[0][0] for place, text in enumerate(texts)]
    drawn = Drawn("a red house", "", tuple(texts[place] for place in order))
    # Its seeds count up, so the picture of a text that comes second is another; both come, and the loop lives.
    made = bench.make(ask(prompt="a red house", steps=3, seed=7, n_iter=2).but(drawn=drawn))[0]
    assert sorted(made) == [0, 1]
    if order == (0, 1):
        assert all(abs(pixels(made[place]) - pixels(alone[place])).max() <= 1 for place in (0, 1))


@pytest.mark.parametrize("beside", ["first", "second"])
@pytest.mark.parametrize("bench", [Sharing.ALWAYS], indirect=True)
def test_a_job_goes_from_one_set_to_another_beside_a_job_that_has_one_of_them(bench, ask, beside):
    texts = "a red house <lora:first>", "a red house <lora:second>"
    drawn = Drawn("a red house", "", texts)
    changing = ask(prompt="a red house", steps=3, seed=7, n_iter=2).but(drawn=drawn)
    staying = ask(prompt=f"a house <lora:{beside}>", steps=9, seed=3)
    alone = [bench.make(ask(prompt=text, steps=3, seed=7 + place))[0][0] for place, text in enumerate(texts)]
    expected = bench.make(staying)[0][0]
    [_, stayed], _ = at_once(bench, changing, staying)
    made = bench.heard.pictures("job 0")
    assert abs(pixels(stayed) - pixels(expected)).max() <= 1
    assert all(abs(pixels(made[place]) - pixels(alone[place])).max() <= 1 for place in (0, 1))


@pytest.fixture
def bench(house, registry, plugins, request):  # noqa: F811 the fixture
    """An engine on these folders, whose jobs share as the test says."""
    folders = ModelFolders((house.checkpoints,), loras=(house.loras,))
    made = Bench(EngineConfig(folders, device="cpu", sharing=request.param), registry, plugins)
    yield made
    made.gate.release()
    made.engine.close()


def at_once(bench, *requests):
    """The first pictures of jobs that begin together, and the forward passes that they took."""
    bench.make(requests[0].but(steps=1))
    bench.gate.passes.clear()
    bench.gate.hold_at(1)
    bench.engine.submit("held", requests[0].but(seed=99, steps=2))
    assert bench.gate.held.wait(60)
    for place, each in enumerate(requests):
        bench.engine.submit(f"job {place}", each)
    end = time.monotonic() + 60
    while bench.engine._inbox._acts.qsize() < len(requests) and time.monotonic() < end:
        time.sleep(0.01)
    bench.gate.release()
    pictures = [bench.heard.pictures(f"job {place}")[0] for place in range(len(requests))]
    bench.heard.pictures("held")
    return pictures, list(bench.gate.passes)


@pytest.mark.parametrize("bench", [Sharing.ALWAYS], indirect=True)
def test_jobs_with_other_sets_and_without_any_are_one_pass_a_step(bench, ask):
    requests = [
        ask(prompt="a red house <lora:first>", steps=6), ask(prompt="a house <lora:first:0.5><lora:second>", steps=6),
        ask(prompt="a house", steps=6), ask(prompt="a <lora:third:1:start=0.5> house", steps=6),
    ]  # fmt: skip
    alone = [bench.make(each)[0] for each in requests]
    before = weights(bench)
    switches = bench.engine._pipelines.merging.switches
    together, passes = at_once(bench, *requests)
    for own, other in zip(alone, together, strict=True):
        assert abs(pixels(own[0]) - pixels(other)).max() <= 1
    # Two steps of the job that was held; the others' six are shared, but for who came a pass later.
    assert len(passes) <= 2 + 6 + 2 and max(one.lanes for one in passes) >= 4
    assert bench.engine._pipelines.merging.switches - switches <= 4
    assert weights(bench) == before


@pytest.mark.parametrize("bench", [Sharing.NEVER], indirect=True)
def test_never_means_turns(bench, ask):
    first, second = ask(prompt="a red house <lora:first>", steps=6), ask(prompt="a house <lora:second>", steps=6)
    _, passes = at_once(bench, first, second)
    assert len(passes) >= 6 + 6


@pytest.mark.parametrize("bench", [Sharing.ALWAYS], indirect=True)
def test_a_set_that_must_be_merged_takes_turns_with_those_that_share(bench, house, ask):  # noqa: F811
    shape = weight_of(bench_unet(bench, ask), f"{BLOCK}attn1.to_q").shape
    tensors, _ = lora({f"{BLOCK}attn1.to_q": shape}, as_kohya("lora_unet"), "LoHa", seed=3)
    write(house.loras / "product.safetensors", tensors)
    requests = [ask(prompt=f"a house <lora:{name}>", steps=5) for name in ("first", "second", "product")]
    alone = [bench.make(each)[0] for each in requests]
    together, passes = at_once(bench, *requests)
    for own, other in zip(alone, together, strict=True):
        assert abs(pixels(own[0]) - pixels(other)).max() <= 1
    # The held job's second step is one of the shared five.
    assert 1 + 5 + 5 <= len(passes) < 1 + 3 * 5


@pytest.mark.parametrize("bench", [Sharing.ALWAYS], indirect=True)
def test_a_network_that_mixes_rows_is_left_to_turns(bench, ask, monkeypatch):
    requests = [ask(prompt=f"a house <lora:{name}>", steps=5) for name in ("first", "second")]
    alone = [bench.make(each)[0] for each in requests]

    def mixed(beside, shares):
        raise RowsMixed("as some networks do")

    monkeypatch.setattr(Beside, "rows", mixed)
    together, _ = at_once(bench, *requests)
    for own, other in zip(alone, together, strict=True):
        assert abs(pixels(own[0]) - pixels(other)).max() <= 1


def bench_unet(bench, ask):
    bench.make(ask(steps=1))
    return next(iter(bench.engine._pipelines._resident.values())).model.denoiser
