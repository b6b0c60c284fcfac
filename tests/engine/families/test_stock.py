"""Models without an adapter: their stock pipelines' pictures, told, stopped and shown as those of the loop are."""

import io
import threading

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image

from tests.engine import tiny_stock
from tests.engine.helpers import Loop, load_model, pixels, running
from tests.engine.memory.shortage import Shortage
from tests.engine.tiny_stock import Watch
from webui.core.events import Failed, Finished, Loading, Note, Preview, Step
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.memory.placing import Placer
from webui.engine.stock.lane import StockLane
from webui.engine.stock.model import StockModel
from webui.plugins.builtin.stock import stock_classes

ONE_STAGE = [kind for kind in tiny_stock.KINDS if kind != "kandinsky22"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tiny_checkpoint):
    """A folder with all the tiny models, and one that runs in the loop."""
    folder = tmp_path_factory.mktemp("stock")
    for name, build in tiny_stock.KINDS.items():
        build().save_pretrained(str(folder / name))
    # A person may choose this way for a model that could run in the loop.
    (folder / "z_image" / "darkroom.json").write_text('{"family": "stock"}')
    (folder / "tiny").symlink_to(tiny_checkpoint, target_is_directory=True)
    return folder


@pytest.fixture(scope="module")
def stock(folder, registry, plugins):
    """A running engine on them."""
    with running(folder, registry, plugins) as made:
        yield made


@pytest.fixture
def ask_stock(ask):
    """Makes requests for models that bring their own sampler."""
    return ask(sampler_name="Automatic", steps=3, cfg_scale=3.0, negative_prompt="star").but


def test_all_are_listed_as_what_runs_them(folder):
    found = {checkpoint.name: checkpoint for checkpoint in Catalogue((folder,)).all()}
    assert found.pop("tiny").family == "sd1"
    assert {name: (c.family, c.problem) for name, c in found.items()} == dict.fromkeys(
        tiny_stock.KINDS, ("stock", None)
    )
    assert found["qwen_image_modular"].variant == "QwenImageModularPipeline"
    assert (
        found["pixart"].variant == "PixArtAlphaPipeline"
        and stock_classes()["PixArtAlphaPipeline"].title == "PixArtAlpha"
    )
    assert set(found["sana"].parts) == {"text_encoder", "transformer", "vae"} and found["sana"].size_bytes > 100_000


@pytest.mark.parametrize("kind", ONE_STAGE)
def test_the_pictures_are_those_of_the_pipeline_itself(folder, stock, ask_stock, kind):
    [made] = stock.make(ask_stock(checkpoint=kind, batch_size=2))
    images = tiny_stock.own_pictures(folder / kind, kind)
    for number, image in enumerate(images):
        assert np.array_equal(pixels(made[number]), np.asarray(image.convert("RGB")))
    assert abs(pixels(made[0]) - pixels(made[1])).mean() > 1


@pytest.mark.parametrize("kind", ["auraflow", "qwen_image_modular"])
def test_prompt_negative_prompt_cfg_and_seed_count(stock, ask_stock, kind):
    base = ask_stock(checkpoint=kind)
    changed = [
        base,
        *(base.but(**c) for c in ({"prompt": "a green star"}, {"negative_prompt": "red"}, {"cfg_scale": 6.0})),
    ]
    plain, *others = (pixels(made[0]) for made in stock.make(*changed))
    assert all((plain != other).any() for other in others)
    [without], [off] = (
        made.values() for made in stock.make(base.but(cfg_scale=1.0), base.but(cfg_scale=1.0, negative_prompt="red"))
    )
    assert (pixels(without) == pixels(off)).all()
    [alone] = stock.make(base.but(seed=8))
    [both] = stock.make(base.but(batch_size=2))
    assert abs(pixels(alone[0]) - pixels(both[1])).max() <= 1


def test_stable_diffusion_comes_out_as_in_the_loop(tiny, tiny_checkpoint, registry, ask):
    pipeline = diffusers.StableDiffusionPipeline.from_pretrained(tiny_checkpoint)
    pipeline.scheduler = diffusers.EulerDiscreteScheduler.from_config(
        pipeline.scheduler.config, timestep_spacing="linspace"
    )
    model = StockModel(pipeline, stock_classes()["StableDiffusionPipeline"], torch.device("cpu"), torch.float32)
    request = ask(steps=6, cfg_scale=4.0, negative_prompt="blue")
    loop = Loop(tiny, registry)
    loop.add("a", request)
    [image] = model.draw(request, [request.seed], Watch())
    assert abs(loop.run()["a"][0] - np.asarray(image).astype(int)).max() <= 1


def test_two_stages_are_one_count_of_steps_and_each_picture_is_made_by_itself(folder, stock, ask_stock):
    stock.engine.submit("stages", ask_stock(checkpoint="kandinsky22", batch_size=2))
    pictures = stock.heard.pictures("stages")
    assert [(step.step, step.steps) for step in stock.heard.of("stages", Step)] == [(n, 56) for n in range(57)]
    for number, image in enumerate(tiny_stock.own_pictures(folder / "kandinsky22", "kandinsky22")):
        assert np.array_equal(pixels(pictures[number]), np.asarray(image))


def test_of_two_pictures_made_in_turn_the_stopped_one_is_kept(stock, ask_stock, act):
    act.at("half", 1, 27, lambda: stock.engine.stop_now("half"))
    stock.engine.submit("half", ask_stock(checkpoint="kandinsky22", batch_size=2))
    assert {index: picture.stopped_at for index, picture in stock.heard.pictures("half").items()} == {0: 27}


@pytest.mark.parametrize("kind", ONE_STAGE)
def test_the_last_prediction_is_the_picture(folder, ask_stock, kind):
    """So previews show what is being made, and a stopped picture is a picture."""
    model, watch = load_model(folder / kind), Watch()
    [image] = model.draw(ask_stock(steps=4), [5], watch)
    assert watch.shares == [0.25, 0.5, 0.75, 1.0]
    shown = model.decode(model.unpacked(watch.latents[-1], 64, 64))[0].numpy().astype(int)
    assert abs(shown - np.asarray(image).astype(int)).max() <= 1


def test_what_is_told_on_the_way(stock, ask_stock):
    stock.engine.submit("told", ask_stock(checkpoint="lumina2", n_iter=2))
    end = stock.heard.end("told")
    assert end.pictures == 2 and not end.interrupted and {"denoised", "decoded"} <= set(end.timings)
    assert stock.heard.of("told", Step) == [Step(step, 3, batch, 2) for batch in (1, 2) for step in range(4)]
    loaded = stock.heard.of("told", Loading)
    assert not loaded or loaded[0].what == "Loading lumina2"
    [picture, _] = stock.heard.pictures("told").values()
    assert "Steps: 3, Sampler: Automatic" in picture.infotext and picture.stopped_at is None


class Act:
    """Does something on the engine as soon as a job has told of a step."""

    def __init__(self, bench, monkeypatch):
        self._plans, stepped = {}, bench.engine._stepped
        self.forwards = []
        plain = StockLane.before_forward

        def told(run, lane):
            stepped(run, lane)
            self._plans.pop((run.job_id, run.batch + 1, lane.done_steps), lambda: None)()

        def counted(lane):
            real = plain(lane)
            self.forwards.append(real)
            return real

        monkeypatch.setattr(bench.engine, "_stepped", told)
        monkeypatch.setattr(StockLane, "before_forward", counted)

    def at(self, job_id, batch, step, do):
        self._plans[job_id, batch, step] = do


@pytest.fixture
def act(stock, monkeypatch):
    return Act(stock, monkeypatch)


@pytest.mark.parametrize("kind", ["auraflow", "pixart", "qwen_image", "qwen_image_modular"])
def test_stopping_now_keeps_the_picture_as_far_as_it_got(stock, ask_stock, act, kind):
    job = f"stop {kind}"
    act.at(job, 1, 2, lambda: stock.engine.stop_now(job))
    stock.engine.submit(job, ask_stock(checkpoint=kind, steps=8, n_iter=3))
    pictures, end = stock.heard.pictures(job), stock.heard.end(job)
    assert {index: picture.stopped_at for index, picture in pictures.items()} == {0: 2}
    assert end.interrupted and end.pictures == 1
    assert sum(act.forwards) == (4 if "qwen" in kind else 2)
    assert stock.heard.of(job, Step)[-1] == Step(2, 8, 1, 3)
    assert pixels(pictures[0]).std() > 1


def test_skip_ends_the_batch_and_interrupt_the_job(stock, ask_stock, act):
    act.at("skip", 2, 1, lambda: stock.engine.skip("skip"))
    act.at("skip", 3, 2, lambda: stock.engine.interrupt("skip"))
    stock.engine.submit("skip", ask_stock(checkpoint="auraflow", n_iter=5))
    pictures, end = stock.heard.pictures("skip"), stock.heard.end("skip")
    assert {index: picture.stopped_at for index, picture in pictures.items()} == {0: None, 1: 1, 2: None}
    assert end.interrupted
    [whole] = stock.make(ask_stock(checkpoint="auraflow", n_iter=3))
    assert (pixels(whole[2]) == pixels(pictures[2])).all() and (pixels(whole[1]) != pixels(pictures[1])).any()


def test_stopping_before_the_first_step_gives_no_picture(stock, ask_stock, act):
    act.at("early", 1, 0, lambda: stock.engine.stop_now("early"))
    stock.engine.submit("early", ask_stock(checkpoint="auraflow"))
    end = stock.heard.end("early")
    assert isinstance(end, Finished) and end.interrupted and end.pictures == 0


def test_cancel_says_nothing_more_and_the_next_job_runs(stock, ask_stock, act):
    act.at("gone", 1, 1, lambda: stock.engine.cancel("gone"))
    stock.engine.submit("gone", ask_stock(checkpoint="auraflow", n_iter=3))
    assert len(stock.make(ask_stock(checkpoint="auraflow"))[0]) == 1
    assert stock.heard.of("gone", Step)[-1] == Step(1, 3, 1, 3) and stock.heard.outputs["gone"][-1] == Step(1, 3, 1, 3)
    assert stock.engine.describe()["jobs"] == 0


def test_stock_jobs_take_turns_with_each_other_and_with_the_loop(stock, ask_stock, ask):
    order, tell = [], stock.engine._tell
    stock.engine._tell = lambda job_id, output: (order.append((job_id, output)), tell(job_id, output))
    try:
        stock.engine.submit("one", ask_stock(checkpoint="auraflow", steps=12, n_iter=2))
        stock.engine.submit("two", ask_stock(checkpoint="pixart", steps=12, n_iter=2))
        stock.engine.submit("lane", ask(checkpoint="tiny", steps=60))
        ends = [stock.heard.end(job) for job in ("one", "two", "lane")]
    finally:
        stock.engine._tell = tell
    assert [end.pictures for end in ends] == [2, 2, 1]
    steps = [job for job, output in order if isinstance(output, Step)]
    # Batches of the two alternate.
    batches = [
        (job, output.batch) for job, output in order if isinstance(output, Step) and output.step == 12 and job != "lane"
    ]
    assert batches == [("one", 1), ("two", 1), ("one", 2), ("two", 2)]
    # The loop's steps and the others' are mixed: neither waits for the other's end.
    lane = [place for place, job in enumerate(steps) if job == "lane"]
    others = [place for place, job in enumerate(steps) if job != "lane"]
    between = sum(lane[0] < place < lane[-1] for place in others)
    assert between > 10


@pytest.mark.parametrize("kind", ["sana", "qwen_image"])
def test_previews_are_made_while_wanted(stock, ask_stock, act, kind):
    job = f"shown {kind}"
    seen = threading.Event()
    act.at(job, 1, 0, lambda: stock.engine.previews(job, True))
    act.at(job, 1, 18, lambda: seen.wait(20))
    tell = stock.engine._tell

    def told(job_id, output):
        if isinstance(output, Preview):
            seen.set()
        tell(job_id, output)

    stock.engine._tell = told
    try:
        stock.engine.submit(job, ask_stock(checkpoint=kind, steps=20, width=128))
        stock.heard.pictures(job)
    finally:
        stock.engine._tell = tell
    previews = stock.heard.of(job, Preview)
    assert 1 <= len(previews) < 20
    assert Image.open(io.BytesIO(previews[0].data)).size == (128, 64)


def test_a_sampler_that_the_model_does_not_have_is_refused(stock, ask_stock):
    stock.engine.submit("euler", ask_stock(checkpoint="sana", sampler_name="Euler"))
    end = stock.heard.end("euler")
    assert isinstance(end, Failed) and end.problem.field == "sampler_name" and "its own sampler" in end.problem.detail


def test_a_failure_ends_its_own_job_only(stock, ask_stock, monkeypatch):
    def refuse(*arguments):
        raise torch.OutOfMemoryError("CUDA out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(StockLane, "after_step", refuse)
        stock.engine.submit("poor", ask_stock(checkpoint="sana"))
        end = stock.heard.end("poor")
    assert isinstance(end, Failed) and end.problem.type == "out-of-memory"
    assert len(stock.make(ask_stock(checkpoint="sana"))[0]) == 1


def test_what_it_cannot_take_of_a_prompt_is_said(stock, ask_stock):
    stock.engine.submit("networks", ask_stock(checkpoint="sana", prompt="a house <lora:ink> <hypernet:x>"))
    stock.heard.pictures("networks")
    notes = " ".join(note.text for note in stock.heard.of("networks", Note))
    assert "which LoRAs cannot change" in notes and "<hypernet:…>" in notes


@pytest.mark.parametrize("times", [1, 2])
def test_when_memory_runs_out_it_begins_anew_by_tiles(stock, ask_stock, times):
    request = ask_stock(checkpoint="sana", seed=11)
    [right] = stock.make(request)
    stock.engine.unload()
    ladder = stock.engine._relief.ladder
    ladder.on_try, before = Shortage("draw", times), ladder.on_try
    try:
        stock.engine.submit(f"short {times}", request)
        end = stock.heard.end(f"short {times}")
    finally:
        ladder.on_try = before
    notes = [note.text for note in stock.heard.of(f"short {times}", Note)]
    assert notes == ["Memory is short, so the VAE decodes the picture by tiles."]
    if times == 1:
        [picture] = stock.heard.pictures("short 1").values()
        assert np.array_equal(pixels(picture), pixels(right[0]))
    else:
        assert isinstance(end, Failed) and end.problem.type == "out-of-memory"
    stock.engine.unload()


def test_beside_a_card_it_begins_anew_with_its_parts_in_ram(folder, registry, plugins, ask_stock, stock):
    request = ask_stock(checkpoint="sana", seed=12)
    [right] = stock.make(request)
    moved = []
    # The whole, then by tiles.
    with running(folder, registry, plugins, on_try=Shortage("draw", 2)) as bench:
        bench.engine._pipelines._placer = Placer(
            torch.device("cpu"), torch.float32, "automatic", move=lambda tensor: moved.append(0) or tensor.clone()
        )
        [picture] = bench.make(request)
    assert moved and np.array_equal(pixels(picture[0]), pixels(right[0]))


def test_bad_numbers_are_told(tmp_path, registry, plugins, ask_stock):
    pipeline = tiny_stock.auraflow()
    pipeline.transformer.proj_out.weight.data[:] = float("nan")
    pipeline.save_pretrained(tmp_path / "bad")
    with running(tmp_path, registry, plugins) as bench:
        bench.engine.submit("a", ask_stock(checkpoint="bad"))
        end = bench.heard.end("a")
    assert isinstance(end, Failed) and end.problem.type == "bad-numbers"


def test_a_fault_of_the_device_ends_everything(folder, registry, plugins, ask_stock, monkeypatch):
    def break_down(*arguments):
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    told = []
    monkeypatch.setattr(StockLane, "after_step", break_down)
    with running(folder, registry, plugins, on_fatal=told.append) as bench:
        bench.engine.submit("a", ask_stock(checkpoint="sana"))
        end = bench.heard.end("a")
        assert isinstance(end, Failed)
        bench.heard.wait(lambda: len(told) == 1)


def test_closing_while_one_runs(folder, registry, plugins, ask_stock):
    with running(folder, registry, plugins) as bench:
        bench.engine.submit("a", ask_stock(checkpoint="sana", steps=100))
        bench.heard.wait(lambda: bench.heard.of("a", Step))
