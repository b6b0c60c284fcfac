"""Which batches a job still needs, and what goes into its files."""

import io

import pytest
import torch

from webui import __version__
from webui.core.errors import BadNumbers
from webui.engine.finishing import finish_batch
from webui.engine.generate import Run, missing_batches
from webui.engine.lanes import LaneEnd
from webui.engine.latents import decode
from webui.images.metadata import read


def test_a_batch_is_made_again_unless_all_its_pictures_are_done(ask):
    request = ask(n_iter=3, batch_size=2)
    assert missing_batches(request, frozenset()) == [0, 1, 2]
    assert missing_batches(request, frozenset({0, 1, 3})) == [1, 2]
    assert missing_batches(request, frozenset(range(6))) == []


@torch.inference_mode()
def test_a_file_holds_the_request_and_can_be_made_again(tiny, plugins, ask):
    request = ask(n_iter=2, batch_size=2, seed=40, negative_prompt="blurry")
    run = Run("a", request, frozenset({2}), False, [])
    run.models = [tiny]
    [picture] = finish_batch(
        run, 1, LaneEnd(torch.randn(2, 4, 8, 8), 3), lambda latent: decode(tiny, latent)[0], plugins, 1
    )
    assert (picture.index, picture.seed, picture.stopped_at) == (3, 43, 3)
    found = read(picture.data)
    assert found.request == request.to_json() and found.index == 3
    assert found.infotext == picture.infotext
    for part in ("a red house", "Negative prompt: blurry", "Seed: 43", "Stopped at step: 3", __version__):
        assert part in found.infotext
    assert io.BytesIO(picture.data).read(4) == b"\x89PNG"


@torch.inference_mode()
def test_one_bad_picture_of_a_batch_is_told(tiny, plugins, ask):
    run = Run("a", ask(batch_size=2), frozenset(), False, [])
    run.models = [tiny]
    latents = torch.randn(2, 4, 8, 8)
    latents[1, 0, 0, 0] = float("inf")
    made = finish_batch(run, 0, LaneEnd(latents), lambda latent: decode(tiny, latent)[0], plugins, 1)
    assert next(made).index == 0
    with pytest.raises(BadNumbers):
        next(made)
