"""On a card: blocks that Triton compiled in the background make the picture that they made before, without graphs."""

from functools import partial

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from tests.engine import tiny
from tests.engine.helpers import STARTER, pixels, running
from webui.core.events import Note
from webui.core.request import GenerationRequest
from webui.engine.attention.apply import apply
from webui.engine.attention.shortcuts import WHOLE
from webui.engine.compiling.apply import RUNNING, Compiling
from webui.plugins.loader import load_plugins


@pytest.fixture
def compiling(backends):
    """What compiles, and is closed at the end."""
    made = Compiling(partial(apply, backends))
    yield made
    made.close()
    assert made.wait(600)
    torch.compiler.reset()


def test_compiled_blocks_make_the_same_picture(registry):
    request = GenerationRequest(
        prompt="a red circle above a blue square", sampler_name="Euler", scheduler="Automatic", steps=8, width=256,
        height=256, seed=7, checkpoint=STARTER.name,
    )  # fmt: skip
    options = {"device": "cuda:0", "precision": "fp32", "compile_repeated_blocks": True}
    with running(STARTER.parent, registry, load_plugins((), "worker"), **options) as bench:
        [first] = bench.make(request)
        assert bench.engine._attention.wait(600)
        bench.engine.submit("second", request)
        second = bench.heard.pictures("second")
        assert RUNNING in [note.text for note in bench.heard.of("second", Note)]
        assert abs(pixels(first[0]) - pixels(second[0])).max() <= 1


@torch.inference_mode()
def test_compiled_blocks_are_tritons_kernels_launched_one_by_one(compiling, cuda):
    unet = tiny.unet("sd1", width=64).to(cuda)
    latents, context = torch.randn(2, 4, 16, 16, device=cuda), torch.randn(2, 77, tiny.TEXT_WIDTH, device=cuda)
    times = torch.tensor([500.0, 300.0], device=cuda)
    applied = compiling("sdpa", unet, WHOLE)
    right = unet(latents, times, context).sample
    assert compiling.wait(600)
    unet(latents, times, context)
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiled:
        answer = unet(latents, times, context).sample
        torch.cuda.synchronize()
    assert list(applied.notes) == [RUNNING]
    applied.undo()
    names = [event.key for event in profiled.key_averages()]
    assert any(name.startswith("triton_") for name in names)
    # Graphs, which this mode of torch.compile makes none of, are launched as a whole.
    assert not [name for name in names if "graphlaunch" in name.lower()]
    assert torch.allclose(answer, right, atol=1e-3)
