"""Hires. fix on the starter and on tiny weights: what two passes make, in what size, with how many calls, and how a
batch leaves the way between them."""

import io
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from tests.engine.helpers import STARTER, running, write_checkpoint
from tests.engine.memory.shortage import Shortage
from webui.core.events import Failed, Finished, Note, Picture, Step
from webui.core.hires_fields import HiresFix
from webui.core.request import GenerationRequest
from webui.engine import developing
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.enlarging import fitted, stretched
from webui.engine.latents import noised
from webui.engine.schedules import levels_over, noise_levels
from webui.plugins.builtin.upscalers import upscalers
from webui.plugins.resolve import resolve

SEED = 7


@pytest.fixture(scope="module")
def starter(registry, plugins):
    """An engine on the starter."""
    with running(STARTER.parent, registry, plugins) as bench:
        yield bench


@pytest.fixture(scope="module")
def title():
    return Catalogue((STARTER.parent,)).get(STARTER.name).title


def asked(title, hires=None, **changes):
    values = {"prompt": "a red circle", "steps": 8, "width": 128, "height": 128, "seed": SEED, "cfg_scale": 4.0}
    names = {"sampler_name": "Euler", "scheduler": "Automatic", "checkpoint": title}
    return GenerationRequest(**values | names | changes, hires=hires)


def image(picture):
    return np.asarray(Image.open(io.BytesIO(picture.data)).convert("RGB")).astype(int)


def share(pixels, colour):
    """Which part of a picture is of about this colour."""
    return (abs(pixels - np.array(colour)).max(axis=-1) < 80).mean()


RED, BLUE = (220, 30, 40), (35, 80, 215)


@pytest.mark.parametrize("upscaler", ["Lanczos", "Nearest", "None"])
def test_the_larger_picture_shows_what_the_small_one_shows(starter, title, upscaler):
    hires = HiresFix(hr_upscaler=upscaler, denoising_strength=0.3)
    small, large = (made[0] for made in starter.make(asked(title), asked(title, hires)))
    assert (small.width, small.height, large.width, large.height) == (128, 128, 256, 256)
    before, after = image(small), image(large)
    assert share(before, RED) > 0.08
    # The circle is where it was, twice as large.
    grown = np.asarray(Image.fromarray(before.astype(np.uint8)).resize((256, 256), Image.Resampling.LANCZOS)).astype(
        int
    )
    same = (abs(grown - np.array(RED)).max(axis=-1) < 80) == (abs(after - np.array(RED)).max(axis=-1) < 80)
    assert same.mean() > 0.93
    assert large.infotext.count("Size: 128x128") == 1 and f"Hires upscaler: {upscaler}" in large.infotext


def test_its_own_prompt_counts_in_the_second_pass(starter, title):
    hires = HiresFix(hr_upscaler="Lanczos", hr_prompt="a blue circle", denoising_strength=0.8)
    [made] = starter.make(asked(title, hires))
    pixels = image(made[0])
    assert share(pixels, BLUE) > 5 * share(pixels, RED)
    assert "Hires prompt: a blue circle" in made[0].infotext


@pytest.mark.parametrize(
    ("strength", "own", "sampler", "calls"),
    [(0.7, 0, "Euler", 8), (0.3, 5, "Euler", 5), (0.0, 0, "Euler", 1), (1.0, 0, "Euler", 8), (0.5, 6, "DDIM", 5)],
)
def test_calls_of_the_model_are_those_of_a1111(starter, title, strength, own, sampler, calls):
    before = len(starter.gate.passes)
    hires = HiresFix(denoising_strength=strength, hr_second_pass_steps=own, hr_scale=1.0, hr_sampler_name=sampler)
    starter.make(asked(title, hires, width=64, height=64))
    assert len(starter.gate.passes) - before == 8 + calls


def test_steps_are_counted_over_both_passes(starter, title):
    starter.engine.submit("counted", asked(title, HiresFix(hr_scale=1.5), width=64, height=64))
    assert isinstance(starter.heard.end("counted"), Finished)
    steps = starter.heard.of("counted", Step)
    assert {step.steps for step in steps} == {16}
    assert [step.step for step in steps] == [*range(9), *range(8, 17)]


def test_the_first_pass_is_that_without_a_second(starter, title):
    """Stopped between its passes, or in the first one's end, it is the small picture."""
    small = starter.make(asked(title))[0][0]
    weak = HiresFix(hr_upscaler="Lanczos", hr_scale=1.0, denoising_strength=0.0)
    [made] = starter.make(asked(title, weak))
    # One step from the lowest noise level, after the autoencoder's way there and back.
    assert abs(image(made[0]) - image(small)).mean() < 4


def test_each_picture_of_a_batch_is_the_one_it_would_be_alone(starter, title):
    hires = HiresFix(denoising_strength=0.6, hr_scale=1.5)
    both, second = starter.make(
        asked(title, hires, width=64, height=64, batch_size=2, steps=4),
        asked(title, hires, width=64, height=64, seed=SEED + 1, steps=4),
    )
    assert abs(image(both[1]) - image(second[0])).max() <= 2
    assert abs(image(both[0]) - image(both[1])).max() > 30


def test_what_is_too_much_is_cut_off(starter, title):
    hires = HiresFix(hr_upscaler="Lanczos", hr_resize_x=256, hr_resize_y=128, denoising_strength=0.2)
    [made] = starter.make(asked(title, hires))
    assert (made[0].width, made[0].height) == (256, 128)
    assert "Hires resize: 256x128" in made[0].infotext and "Hires upscale" not in made[0].infotext.replace(
        "Hires upscaler", ""
    )


@pytest.mark.parametrize("row", [row for row in upscalers() if row.is_latent], ids=lambda row: row.name)
def test_latents_are_stretched_as_torch_does(row):
    latents = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(1))
    target = HiresFix(hr_scale=1.5).target(128, 128)
    found = stretched(latents, target, row)
    assert torch.equal(found, functional.interpolate(latents, size=(24, 24), mode=row.mode, antialias=row.antialias))
    cut = HiresFix(hr_resize_x=256, hr_resize_y=128).target(128, 128)
    whole = functional.interpolate(latents, size=(32, 32), mode=row.mode, antialias=row.antialias)
    assert torch.equal(stretched(latents, cut, row), whole[..., 8:24, :])


def test_a_picture_of_another_size_is_brought_to_the_target():
    target = HiresFix(hr_resize_x=64, hr_resize_y=32).target(32, 32)
    left = Image.new("RGBA", (128, 128), (255, 0, 0, 255))
    assert fitted(left, target).size == (64, 32) and fitted(left, target).mode == "RGB"


def test_samplers_with_ends_of_their_own_begin_where_the_second_pass_does(registry, tiny):
    model = tiny.schedule_at(64, 64)
    parts = model, registry, resolve
    schedule = registry.schedules.get("Karras")
    plain = noise_levels(registry.samplers.get("Euler"), schedule, 20, *parts)
    for name in ("DPM fast", "DPM adaptive"):
        found = levels_over(registry.samplers.get(name), schedule, 20, 11, *parts)
        assert found[0] == pytest.approx(plain[-12]) and found == sorted(found, reverse=True)
    assert levels_over(registry.samplers.get("Euler"), schedule, 20, 11, *parts) == plain[-12:]
    # Of levels without a 0 at the end as many are walked as there are steps.
    ddim, uniform = registry.samplers.get("DDIM"), registry.schedules.get("Uniform")
    assert levels_over(ddim, uniform, 20, 11, *parts) == noise_levels(ddim, uniform, 20, *parts)[-11:]


def test_noise_is_put_on_latents_in_sigma_space():
    latents, noise = torch.full((1, 4, 2, 2), 3.0), torch.full((1, 4, 2, 2), 5.0)
    assert torch.equal(noised(latents, noise, 2.0, flow=False), torch.full((1, 4, 2, 2), 13.0))
    assert torch.equal(noised(latents, noise, 0.25, flow=True), torch.full((1, 4, 2, 2), 3.5))


def test_changes_of_a_prompt_are_counted_over_both_passes(starter, title):
    # Never in the first pass, and from the first step of the second.
    changing = asked(
        title, HiresFix(hr_upscaler="Lanczos", denoising_strength=0.8), prompt="[a red circle:a blue circle:1.0]"
    )
    small, large = (made[0] for made in starter.make(changing.but(hires=None), changing))
    assert share(image(small), RED) > 0.08 and share(image(small), BLUE) < 0.01
    assert share(image(large), BLUE) > 5 * share(image(large), RED)


def test_where_memory_is_short_the_picture_is_encoded_by_tiles(registry, plugins, title):
    shortage = Shortage("encode picture")
    hires = HiresFix(hr_upscaler="Lanczos", hr_scale=4, denoising_strength=0.0)
    request = asked(title, hires, steps=2)
    with running(STARTER.parent, registry, plugins, on_try=shortage) as bench:
        [tiled] = bench.make(request)
        job = next(iter(bench.heard.outputs))
        notes = [note.text for note in bench.heard.of(job, Note)]
    with running(STARTER.parent, registry, plugins) as bench:
        [whole] = bench.make(request)
    assert "Memory is short, so the VAE encodes the picture by tiles." in notes
    assert tiled[0].data != whole[0].data
    assert len(shortage.tries) == 2 and abs(image(tiled[0]) - image(whole[0])).mean() < 8


def test_a_shortage_without_end_is_told_with_ways_out(registry, plugins, title):
    shortage = Shortage("encode picture", left=99)
    with running(STARTER.parent, registry, plugins, on_try=shortage) as bench:
        bench.engine.submit("short", asked(title, HiresFix(hr_upscaler="Lanczos", hr_scale=1.0), steps=2))
        end = bench.heard.end("short")
    assert isinstance(end, Failed) and "not enough memory to go on with a picture of 128 × 128" in end.problem.detail
    assert "Lower what it is enlarged to" in end.problem.remedies


@pytest.fixture
def held(monkeypatch):
    """Enlarging waits until it may: (has begun, may go on)."""
    begun, may = threading.Event(), threading.Event()
    plain = developing.enlarged

    def enlarged(*arguments):
        begun.set()
        assert may.wait(60)
        return plain(*arguments)

    monkeypatch.setattr(developing, "enlarged", enlarged)
    yield begun, may
    may.set()


@pytest.mark.parametrize("verb", ["skip", "stop_now"])
def test_who_is_stopped_between_the_passes_keeps_the_small_picture(starter, title, held, verb):
    begun, may = held
    job = f"between {verb}"
    starter.engine.submit(job, asked(title, HiresFix(), n_iter=2, width=64, height=64))
    assert begun.wait(60)
    getattr(starter.engine, verb)(job)
    starter.engine._inbox.put(may.set)
    pictures, end = starter.heard.pictures(job), starter.heard.end(job)
    assert (pictures[0].width, pictures[0].stopped_at) == (64, 8)
    assert end.interrupted == (verb == "stop_now")
    if verb == "skip":
        assert (pictures[1].width, pictures[1].stopped_at) == (128, None)
    else:
        assert len(pictures) == 1


def test_who_is_stopped_in_the_second_pass_keeps_the_large_one(starter, title):
    starter.gate.hold_at(len(starter.gate.passes) + 11)
    starter.engine.submit("late", asked(title, HiresFix(), width=64, height=64))
    assert starter.gate.held.wait(60)
    starter.engine.stop_now("late")
    starter.gate.release()
    pictures = starter.heard.pictures("late")
    assert pictures[0].width == 128 and 8 < pictures[0].stopped_at < 16


def test_who_is_stopped_before_the_second_pass_shows_anything_keeps_the_small_picture(
    starter, title, held, monkeypatch
):
    begun, may = held
    starter.engine.submit("early", asked(title, HiresFix(), width=64, height=64))
    assert begun.wait(60)

    engine = starter.engine

    def enlarged(*arguments):
        engine._enlarged(*arguments)
        # The second pass has its first question, and no answer yet.
        engine._stop_now(engine._runs["early"])

    heard = engine._developing._heard
    monkeypatch.setattr(engine._developing, "_heard", replace(heard, enlarged=engine._inbox.later(enlarged)))
    may.set()
    pictures = starter.heard.pictures("early")
    assert (pictures[0].width, pictures[0].stopped_at) == (64, 8)


def test_what_goes_wrong_with_a_batch_that_was_left_harms_nobody(starter, title, held, monkeypatch):
    begun, may = held
    starter.engine.submit("left", asked(title, HiresFix(hr_upscaler="Lanczos"), n_iter=2, width=64, height=64))
    assert begun.wait(60)
    failing = iter([ValueError("a device that is gone")])

    def stretch(*arguments):
        for error in failing:
            raise error
        return fitted(*arguments)

    monkeypatch.setattr("webui.engine.enlarging.fitted", stretch)
    starter.engine.skip("left")
    starter.engine._inbox.put(may.set)
    pictures = starter.heard.pictures("left")
    assert [pictures[index].width for index in (0, 1)] == [64, 128]


def test_an_interrupted_job_ends_with_both_passes_of_its_picture(starter, title, held):
    begun, may = held
    starter.engine.submit("interrupted", asked(title, HiresFix(), n_iter=3, width=64, height=64))
    assert begun.wait(60)
    starter.engine.interrupt("interrupted")
    starter.engine._inbox.put(may.set)
    pictures, end = starter.heard.pictures("interrupted"), starter.heard.end("interrupted")
    assert [picture.width for picture in pictures.values()] == [128] and end.interrupted


def test_a_cancelled_job_is_gone_though_it_was_between(starter, title, held):
    begun, may = held
    starter.engine.submit("cancelled", asked(title, HiresFix(), width=64, height=64))
    assert begun.wait(60)
    starter.engine.cancel("cancelled")
    may.set()
    [made] = starter.make(asked(title, width=64, height=64))
    assert made[0].width == 64 and not starter.heard.of("cancelled", Picture)


def test_a_run_that_begins_again_between_its_passes_makes_the_same_picture(starter, title, held):
    begun, may = held
    request = asked(title, HiresFix(denoising_strength=0.6), width=64, height=64)
    starter.engine.submit("again", request)
    assert begun.wait(60)
    starter.engine._inbox.put(lambda: starter.engine._begin_again(starter.engine._runs["again"]))
    starter.engine._inbox.put(may.set)
    again = starter.heard.pictures("again")[0]
    [plain] = starter.make(request)
    assert again.data == plain[0].data
    assert len(starter.heard.of("again", Picture)) == 1


def test_a_checkpoint_of_its_own_draws_the_second_pass(two_checkpoints, registry, plugins, ask):
    folder, titles = two_checkpoints
    hires = HiresFix(hr_upscaler="Lanczos", denoising_strength=1.0, hr_scale=1.0)
    known = {one.name: one for one in Catalogue((folder,)).all()}
    with running(folder, registry, plugins) as bench:
        plain = ask(checkpoint=titles[0], steps=3, width=64, height=64, hires=hires)
        other = replace(hires, hr_checkpoint_name=titles[1], hr_checkpoint_hash=known[titles[1]].hash)
        same, with_other, alone = bench.make(
            plain, plain.but(hires=other), plain.but(checkpoint=titles[1], hires=hires)
        )
        assert bench.engine.describe()["models"] and set(bench.engine.describe()["models"]) == set(titles)
    pictures = [image(made[0]) for made in (same, with_other, alone)]
    # At full strength next to nothing is left of the first pass, so that it is a picture of the second model.
    assert abs(pictures[0] - pictures[1]).max() > 20 and 0 < abs(pictures[1] - pictures[2]).max() < 10
    assert f"Hires checkpoint: {titles[1]}" in with_other[0].infotext


@pytest.fixture
def two_checkpoints(tmp_path):
    for number in (1, 2):
        write_checkpoint(tmp_path / "m" / f"model{number}", seed=number)
    return tmp_path / "m", ("model1", "model2")
