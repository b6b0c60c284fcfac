"""Numbers that overflow in half precision: what they spoil is made again in 32 bits, it is said, and remembered."""

import threading

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.engine.helpers import pixels, running, write_checkpoint
from webui.core.events import Failed, Finished, Note, Picture
from webui.core.request import GenerationRequest
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.finishing import finish_batch
from webui.engine.learnt import Learnt
from webui.engine.overflows import Overflows, can_widen

DENOISER = "This checkpoint's numbers overflow in half precision, so its denoiser computes in 32 bits."
VAE = "This VAE's numbers overflow in half precision, so it computes in 32 bits."


def scale(file, name, factor):
    """Make one tensor of a file so many times larger."""
    tensors = load_file(file)
    tensors[name] = tensors[name] * factor
    save_file(tensors, file)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Checkpoints whose first convolution's answers are beyond fp16; a norm makes ordinary numbers of them."""
    folder = tmp_path_factory.mktemp("loud")
    write_checkpoint(folder / "fine")
    write_checkpoint(folder / "unet")
    scale(folder / "unet" / "unet" / "diffusion_pytorch_model.safetensors", "conv_in.weight", 3e5)
    write_checkpoint(folder / "vae")
    scale(folder / "vae" / "vae" / "diffusion_pytorch_model.safetensors", "decoder.conv_in.weight", 3e5)
    write_checkpoint(folder / "broken")
    scale(folder / "broken" / "unet" / "diffusion_pytorch_model.safetensors", "conv_out.bias", float("nan"))
    return folder


@pytest.fixture(scope="module")
def right(folder, registry, plugins):
    """A request's pictures in 32 bits throughout."""

    with running(folder, registry, plugins) as bench:
        yield lambda request: [pixels(p) for _, p in sorted(bench.make(request)[0].items())]


@pytest.fixture
def half(folder, registry, plugins):
    """An engine that computes in fp16, VAEs too."""
    with running(folder, registry, plugins, precision="fp16", vae_precision="fp16") as bench:
        yield bench


def made(bench, job, request):
    bench.engine.submit(job, request)
    pictures = [pixels(p) for _, p in sorted(bench.heard.pictures(job).items())]
    return pictures, [note.text for note in bench.heard.of(job, Note)]


def test_a_denoiser_that_overflows_is_computed_anew_in_32_bits(half, right, ask):
    request = ask(checkpoint="unet", batch_size=2, n_iter=2)
    pictures, notes = made(half, "a", request)
    assert notes == [DENOISER] and len(half.heard.of("a", Picture)) == 4
    # Only the text's and the autoencoder's rounding is left.
    assert max(abs(one - other).max() for one, other in zip(pictures, right(request), strict=True)) <= 24
    # The next job begins in 32 bits: no step is made in vain.
    before = len(half.gate.passes)
    again, notes = made(half, "b", request)
    assert notes == [DENOISER] and len(half.gate.passes) - before == 8
    assert max(abs(one - other).max() for one, other in zip(pictures, again, strict=True)) <= 1


def test_a_vae_that_overflows_decodes_again_in_32_bits(half, right, ask):
    request = ask(checkpoint="vae", n_iter=2)
    pictures, notes = made(half, "a", request)
    assert notes == [VAE] and len(half.heard.of("a", Picture)) == 2
    assert max(abs(one - other).mean() for one, other in zip(pictures, right(request), strict=True)) <= 8
    # Nothing was denoised again.
    assert len(half.gate.passes) == 8
    _, notes = made(half, "b", request)
    assert notes == [VAE]


def test_an_interrupted_job_still_finishes_the_picture_that_was_begun(half, ask):
    half.gate.hold_at(len(half.gate.passes) + 2)
    half.engine.submit("a", ask(checkpoint="unet", n_iter=3))
    assert half.gate.held.wait(60)
    half.engine.interrupt("a")
    half.gate.release()
    end = half.heard.end("a")
    assert isinstance(end, Finished) and end.interrupted and end.pictures == 1
    assert [note.text for note in half.heard.of("a", Note)] == [DENOISER]


def test_who_asks_for_another_precision_is_not_concerned(half, ask):
    made(half, "a", ask(checkpoint="unet"))
    _, notes = made(half, "b", ask(checkpoint="unet", denoiser_precision="bf16"))
    assert not notes


def test_others_stay_as_they_are(half, ask):
    made(half, "a", ask(checkpoint="vae"))
    pictures, notes = made(half, "b", ask(checkpoint="fine"))
    assert not notes and len(pictures) == 1


@pytest.mark.parametrize("precision", ["fp16", "fp32"])
def test_what_is_no_number_in_32_bits_either_fails_with_ways_out(folder, registry, plugins, ask, precision):
    with running(folder, registry, plugins, precision=precision) as bench:
        bench.engine.submit("a", ask(checkpoint="broken", n_iter=3))
        end = bench.heard.end("a")
        assert isinstance(end, Failed) and end.problem.type == "bad-numbers" and len(end.problem.remedies) >= 3
        assert [note.text for note in bench.heard.of("a", Note)] == ([DENOISER] if precision == "fp16" else [])
        # All that was lent comes back: the next job finds the loop alive.
        bench.make(ask(checkpoint="fine"))
        assert "broken" not in bench.engine.unload().in_use


def test_a_job_that_is_stopped_while_it_begins_anew_ends(half, ask):
    half.engine.submit("a", ask(checkpoint="unet", n_iter=3))
    half.heard.wait(lambda: half.heard.of("a", Note))
    half.engine.interrupt("a")
    end = half.heard.end("a")
    assert isinstance(end, Finished) and end.interrupted
    assert len(half.make(ask(checkpoint="fine"))[0]) == 1


def test_a_job_that_was_stopped_is_not_made_anew_for_what_then_overflows(half, ask, monkeypatch):
    decodes, go_on = threading.Event(), threading.Event()

    def held(*arguments):
        decodes.set()
        assert go_on.wait(60)
        return finish_batch(*arguments)

    monkeypatch.setattr("webui.engine.developing.finish_batch", held)
    half.engine.submit("a", ask(checkpoint="unet"))
    assert decodes.wait(60)
    half.engine.stop_now("a")
    go_on.set()
    end = half.heard.end("a")
    assert isinstance(end, Finished) and end.interrupted and end.pictures == 0
    assert len(half.gate.passes) == 4


def test_a_vae_is_known_with_its_checkpoint_or_by_its_own_file():
    known = Overflows()
    own = GenerationRequest(checkpoint="a", checkpoint_hash="1")
    assert "VAE" in known.learn(own, "vae")
    assert known.applied(own).vae_precision == "fp32" and known.sentences(own) == [VAE]
    for other in (own.but(checkpoint_hash="2"), own.but(vae="b.safetensors")):
        assert known.applied(other) == other and not known.sentences(other)


def test_another_engine_over_the_same_data_begins_where_the_first_learnt(folder, registry, plugins, ask, tmp_path):
    # Which files there are is the web process's to find out.
    known = {checkpoint.name: checkpoint.hash for checkpoint in Catalogue([folder], tmp_path).all()}
    request = ask(checkpoint="unet", checkpoint_hash=known["unet"])
    passes, notes = [], []
    half = {"precision": "fp16", "vae_precision": "fp16", "cache_dir": tmp_path}
    for options in (half, half, half | {"precision": "fp32"}):
        with running(folder, registry, plugins, **options) as bench:
            notes.append(made(bench, "a", request)[1])
            passes.append(len(bench.gate.passes))
    # Some steps in vain, then none; in another precision nothing is known.
    assert notes == [[DENOISER], [DENOISER], []] and passes[0] > passes[1] == passes[2]


def test_what_is_kept_of_overflows_is_of_files_that_are_known_by_hash(tmp_path):
    computed = {"denoiser": "fp16", "vae": "fp16, auto"}
    request = GenerationRequest(checkpoint="a", checkpoint_hash="1", vae="b", vae_hash="2")

    def known(**changes):
        return Overflows(Learnt(tmp_path), computed | changes)

    for unknown in (request.but(checkpoint_hash=""), request.but(vae_hash="")):
        known().learn(unknown, "vae")
        assert not known().sentences(unknown)
    known().learn(request, "vae")
    assert known().sentences(request) == [VAE] and known(denoiser="bf16").sentences(request) == [VAE]
    assert not known(vae="bf16, auto").sentences(request) and not known().sentences(request.but(vae_hash="3"))
    known().forget(request)
    assert not known().sentences(request)


def test_only_what_computes_in_fewer_bits_can_be_widened():
    class Vae:
        network = torch.nn.Linear(1, 1)
        network.dtype = torch.float32

    class Model:
        dtype, vae = torch.float16, Vae

    assert can_widen(Model, "denoiser") and not can_widen(Model, "vae") and not can_widen(object(), "vae")
