"""An engine whose memory runs out, once or always, at each stage: the picture comes, is the same, and it is said."""

import time
from functools import wraps

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel

from tests.engine.helpers import load_model, pixels, running, write_checkpoint
from tests.engine.memory.shortage import ERRORS, Shortage
from webui.core.events import Failed, Finished, Note, Step
from webui.engine.memory.decoding import decode_within
from webui.engine.memory.placing import Placer
from webui.engine.memory.rungs import Relief

CPU = torch.device("cpu")
EVICTED = "Memory ran out, so models that nobody uses made room."
HALVED = "Memory is short, so fewer pictures are computed at once; each is the same as before."
CHEAPER = "Memory is short, so attention is computed by sub-quadratic."
OFFLOADED = "Memory is short, so the model waits in RAM, and comes to the device in parts."
TILED = "Memory is short, so the VAE decodes the picture by tiles."


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    write_checkpoint(folder / "tiny")
    write_checkpoint(folder / "other", seed=1)
    return folder


@pytest.fixture(scope="module")
def plenty(folder, registry, plugins):
    """An engine with enough memory."""
    with running(folder, registry, plugins) as made:
        yield made


def notes(bench, job):
    return [note.text for note in bench.heard.of(job, Note)]


def made(bench, job, request):
    """The job's pictures."""
    bench.engine.submit(job, request)
    return [pixels(picture) for _, picture in sorted(bench.heard.pictures(job).items())]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(
    ("stage", "said"), [("load", EVICTED), ("encode", EVICTED), ("denoise", EVICTED), ("decode", EVICTED)]
)
def test_at_each_stage_idle_models_go_first(folder, registry, plugins, ask, plenty, stage, said, error):
    [right] = made(plenty, f"{stage} {error}", ask(checkpoint="other"))
    shortage = Shortage(stage, 0, error)
    with running(folder, registry, plugins, on_try=shortage) as bench:
        made(bench, "first", ask())
        shortage.left = 1
        [picture] = made(bench, "second", ask(checkpoint="other"))
        assert notes(bench, "second") == [said] and bench.engine.describe()["models"] == ["other"]
        assert (picture == right).all()
        if stage == "load":
            # Remembered: when it is loaded again, room is made before anything fails.
            made(bench, "third", ask())
            bench.engine._pipelines.make_room()
            made(bench, "fourth", ask())
            made(bench, "fifth", ask(checkpoint="other"))
            assert notes(bench, "fifth") == [said] and bench.engine.describe()["models"] == ["other"]


def test_a_step_without_memory_takes_fewer_pictures_at_once_then_cheaper_attention(
    folder, registry, plugins, ask, plenty
):
    request = ask(batch_size=2, sampler_name="Euler a")
    right = made(plenty, "halved", request)
    shortage = Shortage("denoise", 2)
    with running(folder, registry, plugins, on_try=shortage) as bench:
        pictures = made(bench, "a", request)
        # Four rows fail, then two; from then on there are eight forward passes of one row less those that fail.
        assert [p.rows for p in bench.gate.passes] == [1] * 16 and notes(bench, "a") == [HALVED]
        assert max(abs(one - other).max() for one, other in zip(pictures, right, strict=True)) <= 1
        # Remembered: nothing has to fail again, and it is said again.
        made(bench, "b", request)
        assert [p.rows for p in bench.gate.passes[16:]] == [1] * 16 and notes(bench, "b") == [HALVED]
        shortage.left = 1
        pictures = made(bench, "c", request)
        assert notes(bench, "c") == [HALVED, CHEAPER]
        assert max(abs(one - other).max() for one, other in zip(pictures, right, strict=True)) <= 1
        # A button of the page's forgets it all.
        bench.engine.unload()
        made(bench, "d", request)
        assert bench.gate.passes[-1].rows == 4 and not notes(bench, "d")


def test_a_shortage_is_forgotten_once_other_programs_leave_much_more(folder, registry, plugins, ask, tmp_path, others):
    request, shortage = ask(batch_size=2), Shortage("denoise", 0)

    def rows(bench, job):
        before = len(bench.gate.passes)
        made(bench, job, request)
        return max(one.rows for one in bench.gate.passes[before:]), notes(bench, job)

    with running(folder, registry, plugins, on_try=shortage, cache_dir=tmp_path) as bench:
        shortage.left = 1
        assert rows(bench, "short") == (2, [HALVED])
        # A little more, as memory comes and goes, is no reason to fail again.
        others.left = 3000
        assert rows(bench, "little more") == (2, [HALVED])
    # Nor is another start.
    with running(folder, registry, plugins, on_try=shortage, cache_dir=tmp_path) as bench:
        assert rows(bench, "next start") == (2, [HALVED])
        others.left = 3001
        assert rows(bench, "much more") == (4, [])
        # What it is short of itself is found out again, and stays known while no more is left.
        shortage.left = 1
        assert rows(bench, "short again") == (2, [HALVED])
        assert rows(bench, "as much") == (2, [HALVED])
    others.left = 6000
    with running(folder, registry, plugins, on_try=shortage, cache_dir=tmp_path) as bench:
        assert rows(bench, "a start with more") == (4, [])


def test_a_picture_that_does_not_decode_at_once_is_decoded_by_tiles(folder, registry, plugins, ask, plenty):
    request = ask(width=320, steps=2)
    [right] = made(plenty, "tiles", request)
    shortage = Shortage("decode")
    with running(folder, registry, plugins, on_try=shortage) as bench:
        for job in "ab":
            [picture] = made(bench, job, request)
            assert notes(bench, job) == [TILED] and picture.shape == right.shape
            # Far from the seam the tile's picture is the whole's, but for norms over less of it.
            assert abs(picture - right).mean() < 12
        assert len(shortage.tries) == 3


@pytest.mark.parametrize("stage", ["load", "encode", "denoise", "decode"])
def test_when_nothing_helps_it_is_a_sentence_and_the_next_job_runs_as_ever(
    folder, registry, plugins, ask, plenty, stage
):
    [right] = made(plenty, f"right {stage}", ask())
    shortage = Shortage(stage, 10**6)
    with running(folder, registry, plugins, on_try=shortage) as bench:
        bench.engine.submit("a", ask())
        end = bench.heard.end("a")
        assert isinstance(end, Failed) and end.problem.type == "out-of-memory"
        assert "not enough memory" in end.problem.detail and end.problem.remedies
        shortage.left = 0
        [picture] = made(bench, "b", ask())
        assert (picture == right).all() and not notes(bench, "b")
        assert {p.rows for p in bench.gate.passes} == {2}


def test_beside_a_card_a_job_that_finds_no_room_begins_anew_with_its_model_in_ram(
    folder, registry, plugins, ask, plenty
):
    request = ask(n_iter=2)
    right = made(plenty, "away", request)
    moved = []
    # Two rows at once, then one, by cheaper attention too, and the other one.
    shortage = Shortage("denoise", 4)
    with running(folder, registry, plugins, on_try=shortage) as bench:
        bench.engine._pipelines._placer = Placer(
            CPU, torch.float32, "automatic", move=lambda tensor: moved.append(0) or tensor.clone(), least_block=1
        )
        seats = bench.engine._pipelines._placer._seats
        pictures = made(bench, "a", request)
        assert notes(bench, "a") == [HALVED, CHEAPER, OFFLOADED] and moved
        assert max(abs(one - other).max() for one, other in zip(pictures, right, strict=True)) <= 1
        assert {p.rows for p in bench.gate.passes} == {2}
        parts = seats.seated_bytes()
        # Where it cannot go further away, the job fails, and the next one runs as ever.
        shortage.left = 10**6
        bench.engine.submit("b", request)
        assert isinstance(bench.heard.end("b"), Failed)
        shortage.left = 0
        assert len(made(bench, "c", request)) == 2
        # Of the denoiser, the largest, only what is no block's stays.
        assert 0 < seats.seated_bytes() < parts / 2


@pytest.mark.parametrize("left", [10**6, 4])
def test_all_jobs_that_hold_the_model_begin_anew_with_it_in_ram(folder, registry, plugins, ask, plenty, left):
    requests = [ask(seed=seed) for seed in (1, 2)]
    right = [made(plenty, f"both {left} {request.seed}", request)[0] for request in requests]
    shortage, moved = Shortage("denoise", 0), []

    def move(tensor):
        shortage.left = 0
        moved.append(tensor)
        return tensor.clone()

    with running(folder, registry, plugins, on_try=shortage) as bench:
        bench.engine._pipelines._placer = Placer(CPU, torch.float32, "automatic", move=move)
        bench.gate.hold_at(1)
        bench.engine.submit("a", requests[0])
        assert bench.gate.held.wait(60)
        bench.engine.submit("b", requests[1])
        deadline = time.monotonic() + 60
        while bench.engine._inbox._acts.empty() and time.monotonic() < deadline:
            time.sleep(0.01)
        bench.gate.hold_at(2)
        assert bench.gate.held.wait(60) and bench.gate.passes[1].lanes == 2
        shortage.left = left
        bench.gate.release()
        # All rows of both find no room, or those of the first alone.
        pictures = [pixels(bench.heard.pictures(job)[0]) for job in "ab"]
        assert moved and max(abs(one - other).max() for one, other in zip(pictures, right, strict=True)) <= 1
        assert [sum(step.step == 1 for step in bench.heard.of(job, Step)) for job in "ab"] == [2, 2]


def failing(monkeypatch, network, method, times):
    """Have a network's method run out of memory so many times, after its weights came to the device."""
    plain, left = getattr(network, method), [times]

    @wraps(plain)
    def called(*arguments, **options):
        assert left[0] > times - 30, "it is tried for ever"
        left[0] -= 1
        if left[0] >= 0:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return plain(*arguments, **options)

    monkeypatch.setattr(network, method, called)


@pytest.mark.parametrize(
    ("network", "method", "said"),
    [(UNet2DConditionModel, "forward", [EVICTED, HALVED]), (AutoencoderKL, "decode", [EVICTED, TILED])],
)
@pytest.mark.parametrize("times", [2, 10**6])
def test_a_network_that_came_from_ram_and_then_finds_no_room_climbs_too(
    folder, registry, plugins, ask, monkeypatch, network, method, said, times
):
    failing(monkeypatch, network, method, times)
    with running(folder, registry, plugins) as bench:
        bench.engine._pipelines._placer = Placer(CPU, torch.float32, "medvram", move=torch.clone)
        bench.engine.submit("a", ask(width=320, steps=2))
        end = bench.heard.end("a")
        if times == 2:
            assert isinstance(end, Finished) and notes(bench, "a") == said
        else:
            assert isinstance(end, Failed) and end.problem.type == "out-of-memory"
            assert "not enough memory" in end.problem.detail


def test_what_one_job_had_to_drop_is_not_dropped_for_the_next_of_its_kind(folder, registry, plugins, ask):
    shortage = Shortage("denoise", 0)
    with running(folder, registry, plugins, on_try=shortage) as bench:
        for job, checkpoint, left in (("a", "tiny", 0), ("b", "other", 1), ("c", "tiny", 0), ("d", "other", 0)):
            shortage.left = left
            made(bench, job, ask(checkpoint=checkpoint))
        assert [notes(bench, job) for job in "abcd"] == [[], [EVICTED], [], []]
        assert sorted(bench.engine.describe()["models"]) == ["other", "tiny"]


@torch.inference_mode()
def test_a_model_that_knows_no_tiles_is_decoded_whole_or_not_at_all(folder):
    class Whole:
        """A family of an extension's own, from before there were tiles."""

        latent_factor, device = 8, torch.device("cpu")

        def __init__(self, model):
            self.decode, self.denoiser = model.decode, model.denoiser

    model = Whole(load_model(folder / "tiny"))
    relief = Relief()
    relief.ladder.on_try = Shortage("decode")
    with pytest.raises(Exception, match="not enough memory to decode it \\(320 × 64\\)"):
        decode_within(relief, model, torch.zeros(1, 4, 8, 40), lambda note: None)
    assert decode_within(relief, model, torch.zeros(1, 4, 8, 40), lambda note: None).size == (320, 64)
