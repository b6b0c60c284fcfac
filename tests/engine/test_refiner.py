"""A refiner makes the last steps: by A1111's rule, alone or among others, and loaded without what is there already."""

import shutil
from itertools import pairwise

import pytest
import torch

from tests.engine.helpers import Loop, load_model, pixels, running, write_checkpoint
from webui.core.errors import OutOfMemory
from webui.core.events import Failed
from webui.core.prompt.wording import Rules, read_negative, read_prompt
from webui.engine.conditioning import Conditioner
from webui.engine.families.base import Purpose
from webui.engine.model_schedule import DiscreteSchedule, FlowSchedule
from webui.engine.reading.cache import NetworkCache
from webui.engine.schedules import handover_sigma

SWITCH = {"refiner_checkpoint": "other", "refiner_switch_at": 0.5, "abilities": "cfg,refiner"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tiny_checkpoint):
    """Checkpoints: tiny; 'same', of the same weights; 'other', of others."""
    place = tmp_path_factory.mktemp("refiners")
    shutil.copytree(tiny_checkpoint, place / "tiny")
    shutil.copytree(tiny_checkpoint, place / "same")
    write_checkpoint(place / "other", seed=5)
    return place


@pytest.fixture(scope="module")
def other(folder):
    """The other model in memory."""
    return load_model(folder / "other")


def by_hand(base, refiner, request, sigmas, switch):
    """Euler's formula, with the refiner's predictions from the noise level `switch` down."""
    rules = Rules(request.steps)
    texts = read_prompt(request.prompt, rules), read_negative(request.negative_prompt, rules)
    sides = Purpose(request.width, request.height)
    x = start_noise(request) * sigmas[0]
    for sigma, following in pairwise(sigmas):
        model = refiner if sigma <= switch else base
        prompt, negative = Conditioner().encode(model, *texts, sides)
        rows = [negative.at(0), *prompt.at(0)]
        uncond, cond = model.predict(torch.cat([x, x]), [sigma, sigma], model.stack(rows)).chunk(2)
        denoised = torch.lerp(uncond, cond, request.cfg_scale)
        x = x + (x - denoised) / sigma * (following - sigma)
    return base.decode(x).numpy().astype(int)


def start_noise(request):
    """What the request's first picture starts from."""
    generator = torch.Generator().manual_seed(request.seed)
    return torch.randn(1, 4, request.height // 8, request.width // 8, generator=generator)


def test_a1111s_rule_says_when():
    model = DiscreteSchedule.scaled_linear()
    for share in (0.01, 0.5, 0.8, 0.95):
        switch = handover_sigma(model, share)
        for sigma in [sigma * 1.0001 for sigma in model.sigmas[1:-1:7]]:
            nearest = min(range(1000), key=lambda t: abs(model.sigmas[t] - sigma))
            assert (sigma <= switch) == ((999 - nearest) / 1000 >= share)
    assert handover_sigma(model, 1.0) < 0
    assert handover_sigma(FlowSchedule(), 0.8) == pytest.approx(0.2005)


@torch.inference_mode()
def test_the_last_steps_are_the_refiners(tiny, other, registry, ask):
    request = ask(**SWITCH, steps=6, scheduler="Uniform", cfg_scale=5.0)
    loop = Loop(tiny, registry)
    lane = loop.add("a", request, refiner=other)
    asked = []
    while loop.denoiser.busy:
        asked.append((lane.ask.sigma, lane.model))
        loop.denoiser.turn()
    switch = handover_sigma(tiny.schedule_at(64, 64), 0.5)
    assert [model is other for _, model in asked] == [sigma <= switch for sigma, _ in asked]
    assert 0 < sum(model is other for _, model in asked) < 6
    made = tiny.decode(loop.ends["a"].latents).numpy().astype(int)
    expected = by_hand(tiny, other, request, [*(sigma for sigma, _ in asked), 0.0], switch)
    assert abs(made - expected).max() <= 1
    plain = Loop(tiny, registry)
    plain.add("a", request)
    assert abs(plain.run()["a"] - made).max() > 8


@torch.inference_mode()
def test_after_the_handover_it_shares_with_those_that_have_the_refiner_as_their_checkpoint(tiny, other, registry, ask):
    request = ask(**SWITCH, steps=6, scheduler="Uniform")
    alone = Loop(tiny, registry)
    alone.add("refined", request, refiner=other)
    alone.add("base", request.but(seed=1))
    alone.add("other", request.but(seed=2), model=other)
    together = alone.run()
    lanes = [forward.lanes for forward in alone.passes]
    assert max(lanes) == 2 and len(alone.passes) < 18
    for name, options in (("refined", {"refiner": other}), ("base", {}), ("other", {"model": other})):
        single = Loop(tiny, registry)
        single.add(name, request.but(seed={"refined": 7, "base": 1, "other": 2}[name]), **options)
        assert abs(single.run()[name] - together[name]).max() <= 1


def test_the_same_weights_as_refiner_change_nothing(folder, registry, plugins, ask):
    with running(folder, registry, plugins) as bench:
        [plain], [refined], [other] = (
            bench.make(request)[0].values()
            for request in (ask(), ask(**SWITCH | {"refiner_checkpoint": "same"}), ask(**SWITCH))
        )
        assert (pixels(plain) == pixels(refined)).all()
        assert abs(pixels(plain) - pixels(other)).max() > 8
        assert "Refiner: other, Refiner switch at: 0.5" in other.infotext and "Refiner" not in plain.infotext


def test_another_refiner_reads_nothing_else_again(folder, registry, plugins, ask, monkeypatch):
    read = []
    network = NetworkCache.network

    def watched(self, *arguments, **options):
        found = network(self, *arguments, **options)
        read.append(found)
        return found

    monkeypatch.setattr(NetworkCache, "network", watched)
    with running(folder, registry, plugins) as bench:
        bench.make(ask(**SWITCH))
        before = len(read)
        bench.make(ask(**SWITCH | {"refiner_checkpoint": "same"}))
        assert before == 6 and len(read) == 9
        bench.make(ask(**SWITCH))
        assert len(read) == 9 and sorted(bench.engine.describe()["models"]) == ["other", "same", "tiny"]


def test_a_refiner_that_does_not_fit_beside_its_base_is_told(folder, registry, plugins, ask, monkeypatch):
    with running(folder, registry, plugins) as bench:
        load = bench.engine._pipelines._resolve

        def tight(path):
            function = load(path)

            def one(checkpoint, reader):
                if checkpoint.name == "other":
                    raise torch.OutOfMemoryError("out of memory")
                return function(checkpoint, reader)

            return one if path.endswith("sd1:load") else function

        monkeypatch.setattr(bench.engine._pipelines, "_resolve", tight)
        bench.engine.submit("a", ask(**SWITCH))
        end = bench.heard.end("a")
        assert isinstance(end, Failed) and end.problem.type == OutOfMemory.type and "load other" in end.problem.detail
        assert len(bench.make(ask())[0]) == 1
