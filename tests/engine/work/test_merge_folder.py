"""A merge as a folder: the numbers of the merge as a file, in A's form, which is loaded; its recipe goes with it."""

import json

import pytest
import torch

from tests.engine import singles
from tests.engine.helpers import load_model, write_checkpoint
from tests.engine.shelf import Told, same, tensors_of
from webui.core.errors import ModelProblem
from webui.core.model_work import ADD_DIFFERENCE, NO_INTERPOLATION, Convert, Merge
from webui.engine.checkpoints.headers.read import read_header
from webui.engine.families.base import Purpose
from webui.engine.work.base import Stopped
from webui.engine.work.convert import convert
from webui.engine.work.files import WorkFiles
from webui.engine.work.merge import merge
from webui.engine.work.merging import MergeFiles

WEIGHTS = "unet/diffusion_pytorch_model.safetensors"
FOLDER = Merge(format="diffusers", precision="fp32")


def run(shelf, told, request, a, b=None, c=None, vae=None, name="folder"):
    return merge(request, MergeFiles(a, shelf.folder / name, b, c, vae), told.progress, told.should_stop)


def weights(folder):
    return {str(path.relative_to(folder)): tensors_of(path) for path in folder.rglob("*.safetensors")}


def same_weights(one, other):
    one, other = weights(one), weights(other)
    assert set(one) == set(other)
    return all(same(one[name], other[name]) for name in one)


@pytest.fixture
def own_form(shelf):
    """A folder of a form and with a vocabulary that no file could tell, and good settings beside."""
    folder = write_checkpoint(shelf.folder / "own")
    (folder / "darkroom.json").write_text('{"title": "Own", "native_size": 64, "steps": 9}')
    return shelf.find("own")


@pytest.mark.parametrize("kind", ["sd1", "sd2", "sdxl"])
def test_it_is_the_merge_as_a_file_in_another_form(shelf, told, made, kind):
    a, b = (shelf.put(f"{seed}.safetensors", made(kind, seed=seed), torch.float16) for seed in (0, 1))
    if kind == "sd2":
        a.defaults["prediction_type"] = "v_prediction"
    run(shelf, told, Merge(precision="bf16"), a, b, name="whole.safetensors")
    whole = shelf.find("whole.safetensors")
    whole.defaults.update(a.defaults)
    expected = convert(Convert("diffusers"), WorkFiles(whole, shelf.folder / "x"), told.progress, told.should_stop)
    folder = run(shelf, told, Merge(format="diffusers", precision="bf16"), a, b)
    assert same_weights(folder, expected)
    for config in ("unet/config.json", "vae/config.json", "text_encoder/config.json", "model_index.json"):
        assert json.loads((folder / config).read_text()) == json.loads((expected / config).read_text())
    found = shelf.find("folder")
    assert (found.family, found.problem, found.prediction_type) == (kind, None, a.prediction_type or "epsilon")
    assert load_model(folder).encode("a red circle", 1, Purpose(64, 64)).context.isfinite().all()


def test_it_has_a_s_form_and_tokenizer_and_is_loaded(shelf, told, own_form):
    folder = run(shelf, told, FOLDER, own_form, shelf.find("own"))
    for file in ("tokenizer/vocab.json", "tokenizer/merges.txt", "scheduler/scheduler_config.json"):
        assert (folder / file).read_bytes() == (own_form.path / file).read_bytes()
    config = json.loads((folder / "unet/config.json").read_text())
    assert (config["norm_num_groups"], config["attention_head_dim"]) == (4, 2)
    assert json.loads((folder / "darkroom.json").read_text()) == {"native_size": 64, "steps": 9}
    mine, theirs = load_model(folder), load_model(own_form.path)
    with torch.inference_mode():
        one, other = mine.encode("a red", 1), theirs.encode("a red", 1)
        torch.testing.assert_close(one.context, other.context)
        x = torch.randn(1, 4, 8, 8)
        torch.testing.assert_close(
            mine.predict(x, [2.0], mine.stack([one])), theirs.predict(x, [2.0], theirs.stack([other]))
        )


def test_its_numbers_are_those_of_a_sum_and_of_a_difference(shelf, told):
    a, b, c = (write_checkpoint(shelf.folder / name, seed) for seed, name in enumerate("abc"))
    named = [shelf.find(name) for name in "abc"]
    sums = run(shelf, told, FOLDER, *named[:2], name="sum")
    difference = run(shelf, told, Merge(ADD_DIFFERENCE, 0.5, format="diffusers"), *named, name="difference")
    read = [tensors_of(path / WEIGHTS) for path in (a, b, c, sums, difference)]
    for name, one in read[0].items():
        two, three = read[1][name], read[2][name]
        torch.testing.assert_close(read[3][name], one * 0.7 + two * 0.3, rtol=0, atol=1e-6)
        torch.testing.assert_close(read[4][name], one + (two - three) * 0.5, rtol=0, atol=1e-6)


def test_an_inpainting_folder_keeps_its_further_channels(shelf, told, made):
    a = shelf.put("a.safetensors", made(channels=9))
    folder = run(shelf, told, FOLDER, a, shelf.put("b.safetensors", made(seed=1)))
    entry, mine = "model.diffusion_model.input_blocks.0.0.weight", tensors_of(folder / WEIGHTS)["conv_in.weight"]
    assert torch.equal(mine[:, 4:], made(channels=9)[entry][:, 4:])
    torch.testing.assert_close(mine[:, :4], made(channels=9)[entry][:, :4] * 0.7 + made(seed=1)[entry] * 0.3)
    index = json.loads((folder / "model_index.json").read_text())
    assert index["_class_name"] == "StableDiffusionInpaintPipeline"


def test_a_vae_is_baked_in_with_its_own_form(shelf, told, own_form):
    other = singles.sd("sd1", seed=5)
    vae = singles.write(other.tensors("vae", bare=True), shelf.models / "VAE" / "nice.safetensors")
    folder = run(shelf, told, Merge(NO_INTERPOLATION, format="diffusers"), own_form, vae=vae)
    assert json.loads((folder / "vae/config.json").read_text())["norm_num_groups"] == 32
    found = tensors_of(folder / "vae/diffusion_pytorch_model.safetensors")
    assert same(found, dict(other["vae"].state_dict()))
    load_model(folder)


def test_the_recipe_stands_in_the_denoiser_s_weights_and_goes_on_into_the_next(shelf, told, own_form):
    run(shelf, told, Merge(format="diffusers", custom_name="first"), own_form, shelf.find("own"), name="first")
    said = read_header(shelf.folder / "first" / WEIGHTS).metadata
    assert json.loads(said["sd_merge_recipe"])["primary_model_hash"] == own_form.hash
    first = shelf.find("first")
    run(shelf, told, FOLDER, first, own_form, name="second")
    models = json.loads(read_header(shelf.folder / "second" / WEIGHTS).metadata["sd_merge_models"])
    assert models[first.hash]["sd_merge_recipe"]["custom_name"] == "first" and own_form.hash in models


def test_a_part_is_left_out_whole_or_not_at_all(shelf, told, own_form):
    whole = Merge(NO_INTERPOLATION, format="diffusers", discard_weights="^first_stage")
    folder = run(shelf, told, whole, own_form)
    assert not (folder / "vae").exists()
    assert json.loads((folder / "model_index.json").read_text())["vae"] == [None, None]
    assert shelf.find("folder").missing == ("vae",)
    for pattern, match in ((r"first_stage.*conv_in", "needed by the part vae"), ("diffusion_model", "the denoiser")):
        request = Merge(NO_INTERPOLATION, format="diffusers", discard_weights=pattern)
        with pytest.raises(ModelProblem, match=match):
            run(shelf, told, request, own_form, name="no")
    assert "no" not in shelf.listed() and shelf.left() == []


def test_what_a_lacks_is_b_s_and_what_both_lack_is_refused(shelf, told, made):
    bare = {name: tensor for name, tensor in made().items() if not name.startswith("first_stage")}
    a, b = shelf.put("a.safetensors", bare), shelf.put("b.safetensors", made(seed=1))
    folder = run(shelf, told, FOLDER, a, b)
    assert same(
        tensors_of(folder / "vae/diffusion_pytorch_model.safetensors"),
        tensors_of(
            convert(Convert("diffusers"), WorkFiles(b, shelf.folder / "b"), told.progress, told.should_stop)
            / "vae/diffusion_pytorch_model.safetensors"
        ),
    )
    with pytest.raises(ModelProblem, match=r"a\.safetensors is not whole, .*: vae is missing"):
        run(shelf, told, Merge(NO_INTERPOLATION, format="diffusers"), a, name="no")


def test_a_number_that_is_none_and_a_stop_leave_nothing(shelf, made, own_form):
    with pytest.raises(Stopped):
        run(shelf, Told(stop_after=0.5), FOLDER, own_form, own_form)
    broken = dict(made())
    broken["first_stage_model.decoder.conv_in.bias"] = torch.full((32,), torch.nan)
    with pytest.raises(ModelProblem, match="NaN"):
        run(shelf, Told(), FOLDER, shelf.put("a.safetensors", broken), shelf.put("b.safetensors", made()))
    assert shelf.listed() == ["a.safetensors", "b.safetensors", "own"] and shelf.left() == []
