"""The VAE that a card prefers makes the picture, byte for byte, where the choice is Automatic; its clip skip too."""

import json

import pytest
import torch

from tests.engine import singles
from tests.engine.helpers import pixels, running
from webui import accept
from webui.core.fields import ROWS
from webui.core.settings import Settings
from webui.engine.cards.write import write_facts
from webui.engine.checkpoints.catalogue import Catalogue

ASKED = {
    "prompt": "a red house",
    "sampler_name": "Euler",
    "steps": 2,
    "width": 64,
    "height": 64,
    "seed": 7,
    "alone": True,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A checkpoint with a VAE inside, and another VAE among the checkpoints."""
    folder = tmp_path_factory.mktemp("preferred")
    singles.write(singles.sd("sd1").tensors(), folder / "m.safetensors")
    torch.manual_seed(5)
    other = {
        name: torch.randn_like(tensor) * 0.1 for name, tensor in singles.sd("sd1").tensors("vae", bare=True).items()
    }
    singles.write(other, folder / "other.vae.safetensors")
    return folder


@pytest.fixture
def made(folder, registry, plugins):
    """made(card, **values): (the accepted request, the picture's bytes without its texts)."""

    def make(card, **values):
        (folder / "m.json").unlink(missing_ok=True)
        if card:
            write_facts(folder, "m", card)
        with running(folder, registry, plugins) as bench:
            request = accept.resolve({**ASKED, **values}, registry, Catalogue((folder,)), Settings(), ROWS)
            [pictures] = bench.make(request)
            return request, pixels(pictures[0]).tobytes()

    yield make
    (folder / "m.json").unlink(missing_ok=True)


def test_the_preferred_vae_is_the_one_that_decodes(made):
    plain, inside = made({})
    preferring, other = made({"vae": "other.vae.safetensors"})
    assert (plain.vae, preferring.vae) == ("None", "other.vae.safetensors")
    assert other != inside
    # The same as if it had been asked for; and who asks for another gets that.
    assert made({}, vae="other.vae")[1] == other
    asked, bytes_of_inside = made({"vae": "other.vae.safetensors"}, vae="None")
    assert asked.vae == "None" and bytes_of_inside == inside
    # What is not there any more, and None, are not preferred.
    assert made({"vae": "gone.pt"})[1] == made({"vae": "None"})[1] == inside


def test_the_preferred_clip_skip_is_the_default(made):
    plain, last = made({})
    preferring, earlier = made({"clip_skip": 2})
    assert (plain.clip_skip, preferring.clip_skip) == (1, 2)
    assert earlier != last
    assert made({}, clip_skip=2)[1] == earlier
    assert made({"clip_skip": 2}, clip_skip=1)[1] == last


def test_a_card_with_faults_prefers_nothing(folder, registry):
    (folder / "m.json").write_text(json.dumps({"vae": ["x"], "clip skip": "y", "notes": 3}))
    request = accept.resolve(ASKED, registry, Catalogue((folder,)), Settings(), ROWS)
    (folder / "m.json").unlink()
    assert (request.vae, request.clip_skip) == ("None", 1)
