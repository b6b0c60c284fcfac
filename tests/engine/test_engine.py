"""The engine end to end on a tiny model: pictures, verbs, joins, failures."""

import errno
import io
import queue
import threading
import time

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from tests.engine.helpers import pixels, running, write_checkpoint
from webui.core.events import Failed, Finished, Loading, Picture, Preview, Step
from webui.engine.families import sd1
from webui.engine.families.sd1 import StableDiffusion1
from webui.engine.problems import problem_of


def test_a_job_becomes_a_picture(bench, ask):
    bench.engine.submit("a", ask())
    end = bench.heard.end("a")
    assert isinstance(end, Finished) and end.pictures == 1 and not end.interrupted
    assert {"loaded", "encoded", "denoised", "decoded"} <= set(end.timings)
    assert [type(o) for o in bench.heard.outputs["a"]] == [Loading, *[Step] * 5, Picture, Finished]
    assert [s.step for s in bench.heard.of("a", Step)] == [0, 1, 2, 3, 4]
    [picture] = bench.heard.of("a", Picture)
    assert pixels(picture).shape == (64, 64, 3) and pixels(picture).std() > 1
    assert "Steps: 4" in picture.infotext


def test_the_same_request_alone_gives_the_same_bytes(bench, ask):
    request = ask(sampler_name="DPM++ 2M SDE", batch_size=2, alone=True)
    [first], [second] = bench.make(request), bench.make(request)
    assert [first[i].data for i in (0, 1)] == [second[i].data for i in (0, 1)]
    [crowded, _, _] = bench.make(request.but(alone=False), ask(seed=1), ask(seed=2, cfg_scale=1.0))
    for index in (0, 1):
        assert abs(pixels(crowded[index]) - pixels(first[index])).max() <= 1


def test_jobs_that_run_at_once_share_forward_passes(bench, ask):
    requests = [ask(seed=seed, steps=10, cfg_scale=2.0 + seed) for seed in range(8)]
    bench.gate.hold_at(1)
    for place, request in enumerate(requests):
        bench.engine.submit(f"job {place}", request)
    assert bench.gate.held.wait(60)
    first = bench.gate.passes[0]
    deadline = time.monotonic() + 60
    # The first to come are held after one pass; the others wait at the door until they go on.
    while bench.engine._inbox._acts.qsize() < 8 - first.lanes and time.monotonic() < deadline:
        time.sleep(0.01)
    bench.gate.release()
    for place in range(8):
        bench.heard.pictures(f"job {place}")
    left = [16 - first.rows] if first.rows < 16 else []
    assert [p.rows for p in bench.gate.passes] == [first.rows, *[16] * 9, *left]


def test_pictures_are_numbered_and_seeded_over_batches(bench, ask):
    [pictures] = bench.make(ask(n_iter=2, batch_size=2, seed=2**32 - 2))
    assert [pictures[i].seed for i in range(4)] == [2**32 - 2, 2**32 - 1, 0, 1]
    [single] = bench.make(ask(seed=1))
    assert abs(pixels(single[0]) - pixels(pictures[3])).max() <= 1
    steps = [(s.batch, s.batches, s.step) for s in bench.heard.of(next(iter(bench.heard.outputs)), Step)]
    assert steps == [(b, 2, s) for b in (1, 2) for s in range(5)]


def test_only_missing_pictures_are_made_again(bench, ask):
    request = ask(n_iter=3, batch_size=2)
    [whole] = bench.make(request)
    before = len(bench.gate.passes)
    [again] = bench.make(request, done=frozenset({0, 1, 2}))
    assert sorted(again) == [3, 4, 5]
    assert len(bench.gate.passes) - before == 8
    assert all(again[i].data == whole[i].data for i in again)
    bench.engine.submit("nothing left", request, done=frozenset(range(6)))
    assert bench.heard.end("nothing left") == Finished(6, False, bench.heard.end("nothing left").timings)


def test_a_request_of_cfg_1_takes_one_row(bench, ask):
    bench.make(ask(cfg_scale=1.0))
    assert [p.rows for p in bench.gate.passes] == [1] * 4


def held_in(bench, request, passes):
    """The job 'a', held after so many forward passes."""
    bench.gate.hold_at(passes)
    bench.engine.submit("a", request)
    assert bench.gate.held.wait(60)


def test_interrupt_finishes_the_current_batch(bench, ask):
    held_in(bench, ask(n_iter=3), 6)
    bench.engine.interrupt("a")
    bench.gate.release()
    pictures, end = bench.heard.pictures("a"), bench.heard.end("a")
    assert sorted(pictures) == [0, 1] and all(p.stopped_at is None for p in pictures.values())
    assert end.interrupted and end.pictures == 2


def test_interrupt_in_the_last_batch_leaves_nothing_out(bench, ask):
    held_in(bench, ask(n_iter=2), 6)
    bench.engine.interrupt("a")
    bench.gate.release()
    assert sorted(bench.heard.pictures("a")) == [0, 1]
    assert not bench.heard.end("a").interrupted


def test_stop_now_ends_at_this_step_and_keeps_the_picture(bench, ask):
    [whole] = bench.make(ask(steps=10))
    held_in(bench, ask(steps=10, n_iter=2), len(bench.gate.passes) + 7)
    bench.engine.interrupt("a")
    bench.engine.stop_now("a")
    bench.gate.release()
    pictures, end = bench.heard.pictures("a"), bench.heard.end("a")
    assert end.interrupted and list(pictures) == [0]
    assert pictures[0].stopped_at == 7 and "Stopped at step: 7" in pictures[0].infotext
    assert len(bench.gate.passes) == 10 + 7
    difference = abs(pixels(pictures[0]) - pixels(whole[0]))
    assert 0 < difference.mean() < 40


def test_skip_ends_the_batch_here_and_goes_on(bench, ask):
    held_in(bench, ask(n_iter=3), 6)
    bench.engine.skip("a")
    bench.gate.release()
    pictures, end = bench.heard.pictures("a"), bench.heard.end("a")
    assert {i: p.stopped_at for i, p in pictures.items()} == {0: None, 1: 2, 2: None}
    assert len(bench.gate.passes) == 4 + 2 + 4 and not end.interrupted


def test_cancel_abandons_and_says_nothing_more(bench, ask):
    held_in(bench, ask(n_iter=3), 6)
    bench.engine.submit("b", ask(seed=3))
    bench.engine.cancel("a")
    told = len(bench.heard.outputs["a"])
    bench.gate.release()
    assert list(bench.heard.pictures("b")) == [0]
    assert len(bench.heard.outputs["a"]) == told
    assert bench.engine.describe()["jobs"] == 0


def test_verbs_before_the_job_has_started(tiny_checkpoint, registry, plugins, ask):
    with running(tiny_checkpoint.parent, registry, plugins) as bench:
        bench.gate.hold_at(1)
        bench.engine.submit("a", ask())
        assert bench.gate.held.wait(60)
        bench.engine.submit("b", ask(n_iter=2))
        bench.engine.interrupt("b")
        bench.engine.stop_now("unknown")
        bench.gate.release()
        end = bench.heard.end("b")
        assert isinstance(end, Finished) and end.interrupted and end.pictures < 2


@pytest.mark.parametrize("verb", ["cancel", "interrupt", "stop_now"])
def test_a_job_that_is_stopped_while_its_model_loads(tiny_checkpoint, registry, plugins, ask, monkeypatch, verb):
    loading, go_on = threading.Event(), threading.Event()
    plain = sd1.load

    def slow(*arguments):
        loading.set()
        assert go_on.wait(60)
        return plain(*arguments)

    monkeypatch.setattr(sd1, "load", slow)
    with running(tiny_checkpoint.parent, registry, plugins) as bench:
        bench.engine.submit("a", ask())
        assert loading.wait(60)
        getattr(bench.engine, verb)("a")
        if verb != "cancel":
            end = bench.heard.end("a")
            assert isinstance(end, Finished) and end.interrupted and end.pictures == 0
        go_on.set()
        assert list(bench.make(ask())[0]) == [0]
        assert len(bench.gate.passes) == 4
        assert not bench.heard.of("a", Picture) and bench.engine.describe()["jobs"] == 0
        assert [resident.users for resident in bench.engine._pipelines._resident.values()] == [0]


def test_jobs_whose_models_fit_only_one_at_a_time_wait_for_each_other(tmp_path, registry, plugins, ask, monkeypatch):
    for seed, name in enumerate("abc"):
        write_checkpoint(tmp_path / name, seed)
    load = sd1.load

    def tight(checkpoint, reader):
        if bench.engine.describe()["models"]:
            raise torch.OutOfMemoryError("out of memory")
        return load(checkpoint, reader)

    monkeypatch.setattr(sd1, "load", tight)
    with running(tmp_path, registry, plugins) as bench:
        bench.gate.hold_at(1)
        bench.engine.submit("first", ask(checkpoint="a"))
        assert bench.gate.held.wait(60)
        for job_id, checkpoint in (("second", "b"), ("third", "c"), ("fourth", "a")):
            bench.engine.submit(job_id, ask(checkpoint=checkpoint))
        bench.heard.wait(lambda: all(bench.heard.of(job_id, Loading) for job_id in ("second", "third")))
        bench.heard.wait(lambda: len(bench.heard.of("second", Loading)) == 2)
        assert bench.heard.of("second", Loading)[1].what.startswith("Waiting for memory. b is loaded as soon as")
        bench.engine.cancel("second")
        bench.gate.release()
        for job_id in ("first", "third", "fourth"):
            assert len(bench.heard.pictures(job_id)) == 1
        assert not bench.heard.of("second", Failed)


def test_bad_numbers_fail_the_job_with_ways_out(tmp_path, registry, plugins, ask):
    folder = write_checkpoint(tmp_path / "tiny")
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(weights)
    tensors["conv_out.bias"][:] = float("nan")
    save_file(tensors, weights)
    with running(tmp_path, registry, plugins) as bench:
        bench.engine.submit("a", ask())
        end = bench.heard.end("a")
        assert isinstance(end, Failed) and end.problem.type == "bad-numbers" and len(end.problem.remedies) >= 3
        assert not bench.heard.of("a", Picture)


def test_out_of_memory_in_a_step_is_a_sentence_and_the_next_job_runs(bench, ask, monkeypatch):
    def refuse(self, x, sigmas, context):
        raise torch.OutOfMemoryError("CUDA out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(StableDiffusion1, "predict", refuse)
        bench.engine.submit("a", ask())
        end = bench.heard.end("a")
    assert isinstance(end, Failed) and end.problem.type == "out-of-memory" and end.problem.remedies
    assert list(bench.make(ask())[0]) == [0]


def test_an_error_that_nobody_foresaw_names_no_path(tmp_path):
    error = FileNotFoundError(errno.ENOENT, "No such file or directory", str(tmp_path / "part.json"))
    assert problem_of(error).detail == "The job ended with an error: FileNotFoundError: No such file or directory"
    assert problem_of(ValueError("three\nlines\nof it")).detail == "The job ended with an error: ValueError: three"
    assert problem_of(ValueError()).detail == "The job ended with an error: ValueError: ValueError"


def test_a_truncated_checkpoint_fails_the_job_with_a_sentence(tmp_path, registry, plugins, ask):
    folder = write_checkpoint(tmp_path / "tiny")
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with running(tmp_path, registry, plugins) as bench:
        bench.engine.submit("a", ask())
        end = bench.heard.end("a")
        assert isinstance(end, Failed) and end.problem.type == "model" and "cut off" in end.problem.detail
        weights.write_bytes(whole)
        assert list(bench.make(ask())[0]) == [0]


def test_a_checkpoint_that_is_not_there(bench, ask):
    bench.engine.submit("a", ask(checkpoint="tinny"))
    end = bench.heard.end("a")
    assert isinstance(end, Failed) and "Did you mean 'tiny'" in end.problem.detail


def test_a_checkpoint_that_changed_after_acceptance_is_refused(bench, ask):
    bench.engine.submit("a", ask(checkpoint_hash="ab" * 32))
    end = bench.heard.end("a")
    assert isinstance(end, Failed) and "no longer the file" in end.problem.detail


def test_previews_come_only_while_wanted(bench, ask):
    bench.make(ask(steps=20))
    assert not any(isinstance(o, Preview) for outputs in bench.heard.outputs.values() for o in outputs)
    held_in(bench, ask(steps=20, width=128), len(bench.gate.passes) + 1)
    bench.engine.previews("a", True)
    bench.gate.hold_at(len(bench.gate.passes) + 1)
    bench.heard.wait(lambda: any(isinstance(output, Preview) for output in bench.heard.outputs["a"]))
    bench.gate.release()
    bench.heard.pictures("a")
    previews = bench.heard.of("a", Preview)
    assert 1 <= len(previews) < 20
    assert Image.open(io.BytesIO(previews[0].data)).size == (128, 64)


def test_a_broken_device_is_told_once_and_ends_the_jobs(tiny_checkpoint, registry, plugins, ask, monkeypatch):
    told = []

    def break_down(self, x, sigmas, context):
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(StableDiffusion1, "predict", break_down)
    with running(tiny_checkpoint.parent, registry, plugins, on_fatal=told.append) as bench:
        bench.engine.submit("a", ask())
        end = bench.heard.end("a")
        assert isinstance(end, Failed) and end.problem.type == "worker"
        assert len(told) == 1


def test_a_warm_checkpoint_is_there_before_the_first_job(tiny_checkpoint, registry, plugins):
    with running(tiny_checkpoint.parent, registry, plugins, warm_checkpoint="tiny") as bench:
        deadline = time.monotonic() + 60
        while bench.engine.describe()["models"] != ["tiny"] and time.monotonic() < deadline:
            time.sleep(0.01)
        assert bench.engine.describe()["models"] == ["tiny"]


def test_a_job_that_leaves_is_news_also_when_it_is_cancelled(tiny_checkpoint, registry, plugins, ask):
    heard = queue.SimpleQueue()
    with running(tiny_checkpoint.parent, registry, plugins, on_news=lambda: heard.put(None)) as bench:

        def wait_for_none():
            while bench.engine.describe()["jobs"]:
                heard.get(timeout=60)

        bench.make(ask(steps=1))
        wait_for_none()
        bench.gate.hold_at(len(bench.gate.passes) + 1)
        bench.engine.submit("gone", ask(steps=3))
        assert bench.gate.held.wait(60)
        while not heard.empty():
            heard.get()
        bench.engine.cancel("gone")
        bench.gate.release()
        wait_for_none()
