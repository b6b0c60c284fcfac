"""A file that was replaced counts as it is now for whoever asks for its model, however lately all were looked at."""

import os

import pytest
import torch

from tests.engine import singles
from tests.engine.helpers import pixels, running
from webui import accept
from webui.core.errors import ModelProblem
from webui.core.fields import ROWS
from webui.core.model_folders import inside_models
from webui.core.settings import Settings
from webui.engine.checkpoints.accepted import find_accepted
from webui.engine.checkpoints.catalogue import Catalogue

LONG = 600
"""Seconds: no list is renewed by itself while a test runs."""


@pytest.fixture
def models(put, tmp_path):
    models = tmp_path / "models"
    put("whole", models / "Stable-diffusion" / "m.safetensors")
    put("whole", models / "Stable-diffusion" / "other.safetensors")
    put("vae", models / "VAE" / "v.safetensors")
    return models


def at_once(put, name, path):
    """Another file in the place, which no clock of the file system need have seen."""
    put(name, path)
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 1))


def asked(catalogue, registry, **values):
    return accept.resolve({"prompt": "x", **values}, registry, catalogue, Settings(), ROWS)


def test_a_replaced_checkpoint_is_accepted_and_found_by_the_worker(put, models, registry, tmp_path):
    page = Catalogue(inside_models(models), tmp_path / "state", look_seconds=LONG)
    worker = Catalogue(inside_models(models), tmp_path / "state", look_seconds=LONG, known_only=True)
    title = page.find("m").title
    before = asked(page, registry, checkpoint=title)
    assert before.checkpoint_hash == page.find("m").hash and find_accepted(worker, before).family == "sd1"
    at_once(put, "xl", models / "Stable-diffusion" / "m.safetensors")
    # The page still calls it by the title that it had.
    request = asked(page, registry, checkpoint=title)
    found = find_accepted(worker, request)
    assert (found.family, found.hash or worker.hash_now(found)) == ("sdxl", request.checkpoint_hash)
    assert request.checkpoint_hash != before.checkpoint_hash and request.checkpoint != title
    # What was accepted before is not made with other weights.
    with pytest.raises(ModelProblem, match="no longer the file"):
        find_accepted(worker, before.but(checkpoint_hash="0" * 64))


def test_a_stored_request_is_not_made_with_what_took_the_files_place(put, models, registry):
    catalogue = Catalogue(inside_models(models), look_seconds=LONG)
    (models / "Stable-diffusion" / "other.safetensors").unlink()
    catalogue.refresh()
    stored = catalogue.find("m")
    at_once(put, "xl", models / "Stable-diffusion" / "m.safetensors")
    with pytest.raises(ModelProblem, match=r"are not here; m\.safetensors has others"):
        asked(catalogue, registry, checkpoint=stored.title, checkpoint_hash=stored.hash)


def test_a_replaced_vae_is_looked_into(put, models, registry):
    catalogue = Catalogue(inside_models(models), look_seconds=LONG)
    first = asked(catalogue, registry, checkpoint="m", vae="v")
    at_once(put, "vae16", models / "VAE" / "v.safetensors")
    with pytest.raises(ModelProblem, match=r"v\.safetensors does not fit"):
        asked(catalogue, registry, checkpoint="m", vae="v")
    at_once(put, "vae", models / "VAE" / "v.safetensors")
    assert asked(catalogue, registry, checkpoint="m", vae="v").vae_hash == first.vae_hash


def test_one_that_was_replaced_by_a_broken_file_says_so_and_one_that_is_gone_too(models, registry):
    catalogue = Catalogue(inside_models(models), look_seconds=LONG)
    (models / "Stable-diffusion" / "m.safetensors").write_bytes(b"\x10")
    with pytest.raises(ModelProblem, match=r"m\.safetensors cannot be used"):
        asked(catalogue, registry, checkpoint="m")
    (models / "Stable-diffusion" / "other.safetensors").unlink()
    with pytest.raises(ModelProblem, match=r"other\.safetensors is no longer there"):
        asked(catalogue, registry, checkpoint="other")


def test_it_is_reached_however_little_time_there_is_for_new_files(put, models, registry):
    catalogue = Catalogue(inside_models(models), look_seconds=LONG, patience=0.0)
    catalogue.find("m")
    for number in range(5):
        put("whole", models / "Stable-diffusion" / f"a{number}.safetensors")
    at_once(put, "xl", models / "Stable-diffusion" / "m.safetensors")
    assert asked(catalogue, registry, checkpoint="m").checkpoint.startswith("m.safetensors [")


def test_nothing_is_walked_through_while_no_file_has_changed(models, registry, monkeypatch):
    catalogue = Catalogue(inside_models(models), look_seconds=LONG)
    asked(catalogue, registry, checkpoint="m")
    monkeypatch.setattr(catalogue._scanner, "scan", lambda roots: pytest.fail("a walk"))
    asked(catalogue, registry, checkpoint="m", vae="v")


def test_the_first_job_with_a_replaced_file_is_made_with_what_lies_there_now(tmp_path, registry, plugins):
    folder = tmp_path / "m"
    folder.mkdir()
    singles.write(singles.sd("sd1").tensors(), folder / "m.safetensors")
    page = Catalogue((folder,), look_seconds=LONG)
    values = {"steps": 2, "width": 64, "height": 64, "seed": 7, "sampler_name": "Euler", "alone": True}
    with running(folder, registry, plugins) as bench:

        def made():
            [pictures] = bench.make(asked(page, registry, checkpoint="m", **values))
            return pixels(pictures[0]).tobytes()

        first = made()
        singles.write(singles.sd("sd1", seed=1).tensors(), folder / "m.safetensors", torch.float16)
        second = made()
        singles.write(singles.sd("sd1").tensors(), folder / "m.safetensors")
        assert made() == first != second
