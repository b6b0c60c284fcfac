"""Previews are small, rare, and never in the way."""

import io
import threading
import time
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from tests.engine.helpers import Loop
from webui.core.errors import BadNumbers
from webui.engine.latents import preview
from webui.engine.previews import Previewer
from webui.engine.tiny_decoders import TinyDecoders

NONE = TinyDecoders((), {}, torch.device("cpu"), torch.float32)


@torch.inference_mode()
@pytest.mark.parametrize(("cells", "size"), [((8, 8), (64, 64)), ((32, 16), (128, 256)), ((80, 48), (128, 216))])
def test_a_preview_is_small_and_keeps_its_shape(tiny, cells, size):
    image = Image.open(io.BytesIO(preview(tiny, torch.randn(2, 4, *cells))))
    assert image.size == size and image.format == "JPEG"


@torch.inference_mode()
def test_a_preview_of_bad_numbers_is_none(tiny):
    with pytest.raises(BadNumbers):
        preview(tiny, torch.full((1, 4, 8, 8), float("nan")))


@torch.inference_mode()
def test_the_last_preview_is_near_the_picture(tiny, registry, ask):
    loop = Loop(tiny, registry)
    lane = loop.add("a", ask(steps=12))
    loop.turn(11)
    late = Image.open(io.BytesIO(preview(tiny, lane.denoised))).convert("RGB")
    picture = loop.run()["a"][0]
    assert abs(torch.from_numpy(picture) - torch.tensor(list(late.getdata())).view(64, 64, 3)).float().mean() < 25


class SlowModel:
    """Decodes when it is told to."""

    latent_factor = 8

    def __init__(self):
        self.may = threading.Event()
        self.decoded = []

    def decode(self, latents):
        self.decoded.append(float(latents.mean()))
        assert self.may.wait(30)
        return torch.zeros(1, 64, 64, 3, dtype=torch.uint8)


def wait(condition):
    deadline = time.monotonic() + 30
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)
    assert condition()


def test_while_one_is_made_others_are_declined_and_then_it_rests():
    model, shown = SlowModel(), []
    previewer = Previewer(lambda run, output: shown.append(output), NONE)
    begun = time.perf_counter()
    run = SimpleNamespace(job_id="a", preview_due=0.0, family="sd1", model=model)
    for number in range(5):
        previewer.offer(run, SimpleNamespace(model=model, newest=torch.full((1, 4, 8, 8), float(number))), 1)
    time.sleep(0.05)
    model.may.set()
    wait(lambda: shown and not previewer._busy.locked())
    assert model.decoded == [0.0] and len(shown) == 1
    # It took 0.05 s at least, so the next is due nine times that later.
    assert run.preview_due - begun > 9 * 0.05
    run.preview_due = time.perf_counter() + 60
    previewer.offer(run, SimpleNamespace(model=model, newest=torch.ones(1, 4, 8, 8)), 1)
    previewer.close()
    assert model.decoded == [0.0]


def test_a_failing_preview_stops_nothing():
    class Poor:
        latent_factor = 8

        def decode(self, latents):
            raise torch.OutOfMemoryError("out of memory")

    shown = []
    previewer = Previewer(lambda run, output: shown.append(output), NONE)
    run = SimpleNamespace(job_id="a", preview_due=0.0, family="sd1", model=Poor())
    previewer.offer(run, SimpleNamespace(model=run.model, newest=torch.zeros(1, 4, 8, 8)), 1)
    wait(lambda: not previewer._busy.locked())
    previewer.close()
    assert not shown
