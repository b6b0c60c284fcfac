"""What one file cannot hold is refused with the way out; what it can is drawn by it as by the folder."""

import json

import pytest
import torch

from tests.engine import singles
from tests.engine.helpers import load_model, write_checkpoint
from webui.core.errors import ModelProblem
from webui.core.model_work import NO_INTERPOLATION, Convert, Merge
from webui.engine.families.base import Purpose
from webui.engine.work.convert import convert
from webui.engine.work.files import WorkFiles
from webui.engine.work.merge import merge
from webui.engine.work.merging import MergeFiles


def as_file(work, shelf, told, name, vae=None):
    """The folder of this name as one file."""
    ears, target = (told.progress, told.should_stop), shelf.folder / "out.safetensors"
    if work == "convert":
        return convert(Convert(), WorkFiles(shelf.find(name), target), *ears)
    return merge(Merge(NO_INTERPOLATION), MergeFiles(shelf.find(name), target, vae=vae), *ears)


def changed(path, **settings):
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))


@pytest.fixture
def folder(shelf):
    return singles.sd_folder(singles.sd("sd1"), shelf.folder / "own")


@pytest.mark.parametrize(
    ("part", "settings", "said"),
    [
        ("unet", {"norm_num_groups": 16}, "its UNet is built with norm_num_groups 16, which no tensor shows"),
        ("unet", {"attention_head_dim": 4}, "its UNet is built with attention_head_dim 4"),
        ("unet", {"act_fn": "gelu", "norm_eps": 1e-3}, 'act_fn "gelu" and norm_eps 0.001'),
        ("vae", {"norm_num_groups": 8}, "its VAE is built with norm_num_groups 8"),
        ("vae", {"scaling_factor": 0.5}, r"its VAE is built with scaling_factor 0\.5"),
        ("text_encoder", {"layer_norm_eps": 0.1}, r"its text encoder is built with layer_norm_eps 0\.1"),
        ("text_encoder", {"num_attention_heads": 2}, "its text encoder is built with num_attention_heads 2"),
    ],
)
def test_a_form_that_no_tensor_shows_is_named(shelf, told, folder, part, settings, said):
    changed(folder / part / "config.json", **settings)
    for work, field in (("convert", "form"), ("merge", "format")):
        with pytest.raises(ModelProblem, match=said) as refused:
            as_file(work, shelf, told, "own")
        assert refused.value.field == field
        assert refused.value.remedies == ("Write it as a folder (diffusers)",)
    assert shelf.listed() == ["own"] and shelf.left() == [] and told.said == []


def test_a_vocabulary_of_its_own_is_named(shelf, told):
    write_checkpoint(shelf.folder / "own")
    for work in ("convert", "merge"):
        with pytest.raises(ModelProblem, match=r"own cannot be one file: its text encoder has a vocabulary of its own"):
            as_file(work, shelf, told, "own")
    assert shelf.listed() == ["own"]


def test_settings_that_change_no_number_are_no_hindrance(shelf, told, folder):
    changed(folder / "unet" / "config.json", upcast_attention=True, sample_size=99, transformer_layers_per_block=1)
    changed(folder / "vae" / "config.json", force_upcast=False, sample_size=7, scaling_factor=None)
    changed(folder / "text_encoder" / "config.json", eos_token_id=2, attention_dropout=0.1, torch_dtype="float16")
    as_file("convert", shelf, told, "own")


def test_a_part_that_another_takes_the_place_of_is_not_asked(shelf, told, folder):
    changed(folder / "vae" / "config.json", norm_num_groups=8)
    vae = singles.write(singles.sd("sd1").tensors("vae", bare=True), shelf.models / "VAE" / "nice.safetensors")
    as_file("merge", shelf, told, "own", vae)


@pytest.mark.parametrize("kind", ["sd1", "sd2", "sdxl"])
@torch.inference_mode()
def test_the_file_of_a_folder_computes_what_the_folder_does(shelf, told, kind):
    folder = singles.sd_folder(singles.sd(kind), shelf.folder / "own")
    models = [load_model(path) for path in (folder, as_file("convert", shelf, told, "own"))]
    x, answers = torch.randn(1, 4, 8, 8), []
    for model in models:
        text = model.encode("a red circle", 1, Purpose(64, 64))
        answers.append((text.context, model.predict(x, [2.0], model.stack([text]))))
    for one, other in zip(*answers, strict=True):
        torch.testing.assert_close(one, other)
