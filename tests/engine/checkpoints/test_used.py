"""Of which files a checkpoint is loaded where a request names none, by which rule: what is shown is what is done."""

import json

import pytest

from webui.core.model_folders import inside_models
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.checkpoints.chosen import choose, used
from webui.engine.checkpoints.facts import facts_of


@pytest.fixture
def models(put, tmp_path):
    """A whole checkpoint with a VAE beside it under its name, and two VAEs in their folder."""
    models = tmp_path / "models"
    put("whole", models / "Stable-diffusion" / "m.safetensors")
    put("vae", models / "Stable-diffusion" / "m.vae.safetensors")
    put("vae", models / "VAE" / "liked.safetensors")
    put("vae", models / "VAE" / "set.safetensors")
    return models


def card(models, **facts):
    (models / "Stable-diffusion" / "m.json").write_text(json.dumps(facts))


@pytest.fixture
def shown(models, registry):
    """shown(sd_vae): (the VAE's file, its rule, why the preferred one is not used) as every list and page shows it."""

    def show(sd_vae="", encoders=""):
        catalogue = Catalogue(inside_models(models), look_seconds=0)
        found = used(catalogue.find("m"), sd_vae, encoders, catalogue)
        facts = facts_of(found, registry)
        (vae,) = (part for part in facts["parts"] if part["role"] == "vae")
        # It is what a job is accepted with.
        assert (
            found.checkpoint.completed.get("vae", "None")
            == choose(catalogue.find("m"), sd_vae, encoders, catalogue).vae
        )
        return vae["file"], vae["by"], facts["unused"]

    return show


def test_the_rules_come_one_before_the_other(models, shown):
    assert shown() == ("m.vae.safetensors", "neighbour", "")
    card(models, vae="liked.safetensors")
    assert shown() == ("liked.safetensors", "card", "")
    (models / "Stable-diffusion" / "m.darkroom.json").write_text('{"vae": "set"}')
    assert shown() == ("set.safetensors", "sidecar", "")
    assert shown("liked.safetensors") == ("liked.safetensors", "setting", "")
    assert shown("None") == (None, "setting", "")
    assert shown("Automatic")[1] == "sidecar"


def test_the_vae_inside_is_used_without_another_or_where_the_card_prefers_it(models, shown):
    card(models, vae="None")
    assert shown() == (None, "card", "")
    card(models)
    (models / "Stable-diffusion" / "m.vae.safetensors").unlink()
    assert shown() == (None, "inside", "")


def test_a_preferred_vae_that_cannot_be_used_is_told_with_the_reason(put, models, shown):
    card(models, vae="gone.pt")
    file, rule, why = shown()
    assert (file, rule) == ("m.vae.safetensors", "neighbour")
    assert why == "The preferred VAE 'gone.pt' is not used: there is no file of this name."
    put("vae16", models / "VAE" / "wide.safetensors")
    card(models, vae="wide")
    assert "wide.safetensors does not fit Stable Diffusion 1" in shown()[2]


def test_what_a_checkpoint_lacks_is_said_to_fit_or_to_be_set(put, models, registry):
    folder = models / "Stable-diffusion"
    put("unet", folder / "lone.safetensors")
    put("clip", models / "text_encoder" / "a.safetensors")
    put("clip", models / "text_encoder" / "b.safetensors")
    catalogue = Catalogue(inside_models(models))
    lone = catalogue.find("lone")

    def rules(encoders=""):
        parts = facts_of(used(lone, "", encoders, catalogue), registry)["parts"]
        return {part["role"]: (part["file"], part["by"]) for part in parts}

    assert rules()["denoiser"] == (None, "inside")
    assert rules()["vae"] == ("liked.safetensors", "fit") and rules()["text_encoder"] == ("a.safetensors", "fit")
    assert rules("b.safetensors")["text_encoder"] == ("b.safetensors", "setting")
