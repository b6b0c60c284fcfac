"""Models that lack parts are put together of what fits, or of what a person chose; what is not there is said."""

import pytest
import torch

from tests.engine import singles, tiny
from webui.core.errors import ModelProblem, UnknownName
from webui.core.model_folders import ModelFolders, inside_models
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.reading.cache import NetworkCache
from webui.plugins.resolve import resolve


@pytest.fixture
def models(tmp_path):
    return tmp_path / "models"


def catalogue(models, **options):
    return Catalogue(inside_models(models), look_seconds=0, **options)


def at(models, kind, name):
    """The place of a file, its folder made: c among checkpoints, v among VAEs, t among text encoders."""
    path = models / {"c": "Stable-diffusion", "v": "VAE", "t": "text_encoder"}[kind] / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def test_a_model_that_lacks_parts_is_completed_by_what_fits(put, models):
    put("unet", at(models, "c", "m.safetensors"))
    found = catalogue(models)
    lonely = found.find("m")
    assert lonely.missing == ("vae", "text_encoder")
    assert "vae (Autoencoder" in lonely.problem and "models/VAE" in lonely.problem
    assert "text_encoder (CLIP text encoder), which goes into models/text_encoder" in lonely.problem
    with pytest.raises(ModelProblem, match="It has no vae"):
        found.get("m")
    put("vae16", at(models, "v", "a-wrong.safetensors"))
    put("vae", at(models, "v", "b-right.safetensors"))
    put("clip", at(models, "t", "c.safetensors"))
    whole = found.get("m")
    assert whole.completed == {"vae": "b-right.safetensors", "text_encoder": "c.safetensors"}
    assert list(whole.parts) == ["unet", "vae", "text_encoder"] and whole.missing == ()
    assert [file.name for file in whole.weights] == ["m.safetensors", "b-right.safetensors", "c.safetensors"]
    assert whole.size_bytes == sum(file.stat().st_size for file in whole.weights)
    # The hash is of the person's checkpoint, whatever it is completed with.
    assert whole.hash == lonely.hash and whole.own == (whole.path,)


def test_a_checkpoint_without_parts_of_its_own_folder_form_is_completed_too(models):
    model = singles.sd("sd1")
    folder = at(models, "c", "folder")
    for name in ("unet", "text_encoder"):
        model[name].save_pretrained(folder / name)
    model["vae"].save_pretrained(at(models, "v", "diffusers vae"))
    found = catalogue(models).get("folder")
    assert found.completed == {"vae": "diffusers vae"} and found.kind == "diffusers"
    assert found.parts["vae"].files[0].parent == at(models, "v", "diffusers vae")


def test_the_vae_of_the_checkpoints_name_comes_before_all_others(put, models):
    put("whole", at(models, "c", "sub/m.safetensors"))
    put("novae", at(models, "c", "sub/n.safetensors"))
    beside = put("vae", at(models, "c", "sub/m.vae.safetensors"))
    found = catalogue(models)
    assert [c.name for c in found.all()] == ["sub/m.safetensors", "sub/n.safetensors"]
    assert found.get("m").completed == {"vae": "sub/m.vae.safetensors"}
    assert found.get("m").parts["vae"].files == (beside,)
    # It is m's: nothing else takes it by itself.
    assert found.find("n").missing == ("vae",)
    assert found.with_parts(found.find("n"), vae="m.vae.safetensors").problem is None
    assert found.with_parts(found.get("m"), vae="None").parts["vae"].files == (found.get("m").path,)


def test_a_beside_vae_in_torchs_form(stock, put, models):
    put("whole", at(models, "c", "m.safetensors"))
    vae = singles.sd("sd1").tensors("vae", bare=True)
    singles.write(vae, at(models, "c", "m.vae.pt"))
    assert catalogue(models).get("m").completed == {"vae": "m.vae.pt"}


def test_names_decide_where_forms_are_alike(put, models):
    put("novae", at(models, "c", "m.safetensors"))
    put("vae", at(models, "v", "a sdxl_vae.safetensors"))
    found = catalogue(models)
    assert found.find("m").missing == ("vae",), "SDXL's is of the same form and of no use to SD1"
    put("vae", at(models, "v", "plain.safetensors"))
    assert found.get("m").completed == {"vae": "plain.safetensors"}
    put("vae", at(models, "v", "vae-ft-mse-840000.safetensors"))
    assert found.get("m").completed == {"vae": "vae-ft-mse-840000.safetensors"}
    # Whoever asks for it by name gets it.
    assert found.with_parts(found.get("m"), vae="a sdxl_vae").completed == {"vae": "a sdxl_vae.safetensors"}


def test_a_person_chooses_a_vae(put, models):
    put("whole", at(models, "c", "m.safetensors"))
    put("vae", at(models, "v", "sub/v.safetensors"))
    put("vae16", at(models, "v", "w.safetensors"))
    found = catalogue(models)
    own = found.get("m")
    assert own.completed == {}
    for name in ("sub/v.safetensors", "sub\\v.safetensors", "v.safetensors", "V"):
        chosen = found.with_parts(own, vae=name)
        assert chosen.completed == {"vae": "sub/v.safetensors"} and chosen.problem is None
        assert chosen.parts["vae"].files == (at(models, "v", "sub/v.safetensors"),)
        assert set(chosen.weights) == {own.path, at(models, "v", "sub/v.safetensors")} and chosen.hash == own.hash
    for name in ("Automatic", "automatic", "None", ""):
        assert found.with_parts(own, vae=name) == own
    assert found.with_parts(chosen, vae="None") == own
    with pytest.raises(ModelProblem, match="latent channels should be 4, and is 16") as caught:
        found.with_parts(own, vae="w")
    assert "does not fit Stable Diffusion 1" in caught.value.detail and caught.value.field == "vae"
    with pytest.raises(UnknownName, match=r"Did you mean 'sub/v\.safetensors'") as caught:
        found.with_parts(own, vae="sub/u.safetensors")
    assert caught.value.field == "vae"


def test_none_needs_a_vae_inside(put, models):
    put("novae", at(models, "c", "m.safetensors"))
    put("vae", at(models, "v", "v.safetensors"))
    found = catalogue(models)
    with pytest.raises(ModelProblem, match="no VAE inside"):
        found.with_parts(found.get("m"), vae="None")


def test_a_person_chooses_text_encoders(put, models):
    put("whole", at(models, "c", "m.safetensors"))
    put("clip", at(models, "t", "c.safetensors"))
    large = singles.sd("sd2").tensors("text_encoder", bare=True)
    singles.write(large, at(models, "t", "h.safetensors"))
    put("vae", at(models, "t", "misplaced.safetensors"))
    found = catalogue(models)
    own = found.get("m")
    chosen = found.with_parts(own, text_encoders=("c",))
    assert chosen.completed == {"text_encoder": "c.safetensors"}
    assert found.with_parts(own, text_encoders=()) == own == found.with_parts(own, text_encoders=("Automatic",))
    with pytest.raises(ModelProblem, match=r"h\.safetensors does not fit .* open clip should be False"):
        found.with_parts(own, text_encoders=("h",))
    with pytest.raises(ModelProblem, match="There is no text encoder that is known here in it"):
        found.with_parts(own, text_encoders=("misplaced",))
    with pytest.raises(ModelProblem, match=r"c\.safetensors does not fit .* takes its place"):
        found.with_parts(own, text_encoders=("c", "c"))


def test_two_encoders_find_their_places(models):
    large = singles.sd("sdxl")
    singles.write(large.tensors("unet", "vae"), at(models, "c", "xl.safetensors"))
    for name in ("text_encoder", "text_encoder_2"):
        singles.write(large.tensors(name, bare=True), at(models, "t", f"{name}.safetensors"))
    found = catalogue(models)
    whole = found.get("xl")
    assert whole.completed == {name: f"{name}.safetensors" for name in ("text_encoder", "text_encoder_2")}
    again = found.with_parts(whole, text_encoders=("text_encoder_2", "text_encoder"))
    assert again.completed == whole.completed


def test_a_damaged_part_is_listed_and_never_taken(put, models):
    put("novae", at(models, "c", "m.safetensors"))
    path = put("vae", at(models, "v", "torn.safetensors"))
    path.write_bytes(path.read_bytes()[:-1])
    found = catalogue(models)
    (torn,) = found.vaes()
    assert "cut off" in torn.problem and found.find("m").missing == ("vae",)
    with pytest.raises(ModelProblem, match=r"torn\.safetensors cannot be used\. .* cut off"):
        found.with_parts(found.find("m"), vae="torn")


def test_a_part_that_goes_is_missed(put, models):
    put("novae", at(models, "c", "m.safetensors"))
    vae = put("vae", at(models, "v", "v.safetensors"))
    still = Catalogue(inside_models(models), look_seconds=600)
    vae.unlink()
    with pytest.raises(ModelProblem, match=r"no longer complete: VAE/v\.safetensors is gone"):
        still.get("m")
    still.refresh()
    assert still.find("m").missing == ("vae",)


def test_a_further_folder_of_parts_counts(put, models, tmp_path):
    put("novae", at(models, "c", "m.safetensors"))
    put("vae", tmp_path / "more" / "v.safetensors")
    found = Catalogue(inside_models(models) + ModelFolders(vae=(tmp_path / "more",)))
    assert found.get("m").completed == {"vae": "v.safetensors"}


def test_a_completed_model_is_read_whole(put, models, registry, stock):
    put("unet", at(models, "c", "m.safetensors"))
    put("vae", at(models, "v", "v.safetensors"))
    put("clip", at(models, "t", "c.safetensors"))
    reader = NetworkCache(registry, resolve, torch.device("cpu"), torch.float32)
    checkpoint = catalogue(models).get("m")
    model = resolve(registry.families.get("sd1").function)(checkpoint, reader)
    assert torch.equal(model.networks[1].decoder.conv_out.bias, tiny.vae().decoder.conv_out.bias)
