"""Families in files of their parts: known, put together, and the pictures of the folder's pipeline."""

import diffusers
import numpy as np
import pytest
import torch

from tests.engine import tiny_parts
from tests.engine.singles import write
from tests.engine.tiny_stock import Watch
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.reading.cache import NetworkCache
from webui.plugins.resolve import resolve


@pytest.fixture(scope="module", params=list(tiny_parts.KINDS))
def made(request, tmp_path_factory):
    """(kind, pipeline, folder of models): the pipeline's folder and the files of its parts beside each other."""
    kind = request.param
    pipeline = tiny_parts.KINDS[kind]()
    models = tmp_path_factory.mktemp("models")
    for name in ("Stable-diffusion", "VAE", "text_encoder"):
        (models / name).mkdir()
    tiny_parts.write_tokenizers(models)
    pipeline.save_pretrained(str(models / "Stable-diffusion" / "whole"))
    text, vae = tiny_parts.NAMES[kind]
    write(tiny_parts.denoiser_tensors(kind, pipeline), models / "Stable-diffusion" / "alone.safetensors")
    write(tiny_parts.vae_tensors(kind, pipeline), models / "VAE" / f"{vae}.safetensors")
    write(tiny_parts.text_tensors(kind, pipeline), models / "text_encoder" / f"{text}.safetensors")
    return kind, pipeline, models


def loaded(models, name, registry):
    """A checkpoint's model in memory."""
    checkpoint = Catalogue(tiny_parts.folders_of(models)).get(name)
    reader = NetworkCache(registry, resolve, torch.device("cpu"), torch.float32)
    return resolve(registry.families.get(checkpoint.family).function)(checkpoint, reader)


def drawn(model, request):
    """Its pictures of a request, and the last latents that it predicted."""
    watch = Watch()
    images = model.draw(request, [7, 8], watch)
    return np.stack([np.asarray(image).astype(int) for image in images]), watch.latents[-1]


def test_the_parts_are_known_and_put_together(made):
    kind, _, models = made
    found = {one.name: one for one in Catalogue(tiny_parts.folders_of(models)).all()}
    text, vae = tiny_parts.NAMES[kind]
    assert (found["alone.safetensors"].family, found["alone.safetensors"].problem) == (kind, None)
    assert found["alone.safetensors"].completed == {"text_encoder": f"{text}.safetensors", "vae": f"{vae}.safetensors"}
    assert found["whole"].family == "stock"


def test_the_pictures_are_those_of_the_folder(made, registry, ask):
    _, _, models = made
    request = ask(
        sampler_name="Automatic", steps=2, cfg_scale=3.0, distilled_cfg_scale=3.0, negative_prompt="star",
        prompt="a red house", width=64, height=64,
    )  # fmt: skip
    mine, theirs = (drawn(loaded(models, name, registry), request) for name in ("alone", "whole"))
    assert torch.equal(mine[1], theirs[1])
    # The autoencoder's weights lie in memory in another order, and sums round by it.
    assert np.abs(mine[0] - theirs[0]).max() <= 1 and mine[0].std() > 5
    other = drawn(loaded(models, "alone", registry), request.but(prompt="a green star"))
    assert (mine[1] - other[1]).abs().max() > 1e-3 * mine[1].std()


def test_the_library_s_own_converter_reads_the_same_tensors(made, registry, monkeypatch):
    _, pipeline, models = made
    path = models / "Stable-diffusion" / "alone.safetensors"
    config = models / "Stable-diffusion" / "whole" / "transformer"
    # Some of their converters know the published widths alone.
    split = torch.split
    monkeypatch.setattr(
        torch, "split", lambda t, sizes, dim=0: split(t, [size * t.shape[dim] // sum(sizes) for size in sizes], dim)
    )
    theirs = type(pipeline.transformer).from_single_file(str(path), config=str(config), local_files_only=True)
    monkeypatch.undo()
    mine = loaded(models, "alone", registry).parts["transformer"]
    assert isinstance(theirs, diffusers.ModelMixin)
    ours, others = mine.state_dict(), theirs.state_dict()
    assert ours.keys() == others.keys()
    assert all(torch.equal(ours[name], others[name]) for name in ours)
    theirs = pipeline.transformer.config
    known = {name: theirs[name] for name in mine.config if not name.startswith("_") and theirs[name] is not None}
    assert {name: list(x) if isinstance(x := mine.config[name], list | tuple) else x for name in known} == {
        name: list(value) if isinstance(value, list | tuple) else value for name, value in known.items()
    }
