"""Folders in diffusers' form are known by the class that they name; what cannot be run is refused with the reason."""

import json

import pytest
import torch
from safetensors.torch import save_file

from tools.stock_classes import table, written
from webui.core.errors import ModelProblem
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.checkpoints.stock import stock_of
from webui.engine.checkpoints.stock_tokens import count_tokens
from webui.plugins.builtin.stock import DATA, stock_classes, stock_family


def model(folder, index, name="model_index.json", parts=("transformer", "vae")):
    """A folder with this index and these parts of one weight each."""
    folder.mkdir(parents=True)
    (folder / name).write_text(json.dumps(index))
    for part in parts:
        (folder / part).mkdir()
        (folder / part / "config.json").write_text(json.dumps({"_class_name": "Something"}))
        save_file({"weight": torch.zeros(4)}, folder / part / "diffusion_pytorch_model.safetensors")
    return folder


def parts_of(*names):
    return {name: ["diffusers", "Something"] for name in names}


def modular(name, **where):
    entry = {"pretrained_model_name_or_path": where.pop("repo", "."), "subfolder": name, **where}
    return {name: ["diffusers", "Something", entry]}


def test_the_table_is_that_of_the_installed_diffusers():
    made, kept = table(), json.loads(DATA.read_text(encoding="utf-8"))
    assert made["classes"] == kept["classes"], "python -m tools.stock_classes writes it anew"
    assert written(made).splitlines()[1] in DATA.read_text(encoding="utf-8")


def test_every_class_of_diffusers_tables_is_known():
    """Asked of the library's own tables, not of the tool that read them."""
    from diffusers.modular_pipelines.modular_pipeline import MODULAR_PIPELINE_MAPPING  # slow, and only here
    from diffusers.pipelines.auto_pipeline import AUTO_IMAGE2IMAGE_PIPELINES_MAPPING, AUTO_TEXT2IMAGE_PIPELINES_MAPPING

    known = stock_classes()
    for mapping in (AUTO_TEXT2IMAGE_PIPELINES_MAPPING, AUTO_IMAGE2IMAGE_PIPELINES_MAPPING):
        for kind in mapping.values():
            assert known[kind.__name__].runs or known[kind.__name__].problem
    assert all(make(None) in known for make in MODULAR_PIPELINE_MAPPING.values())


def test_one_meaning_of_cfg():
    known = stock_classes()
    off = {name for name, row in known.items() if row.runs and row.scale_as and row.off == 0.0}
    assert off >= {"ZImagePipeline", "Krea2Pipeline", "Krea2ModularPipeline"}
    assert known["Krea2ModularPipeline"].cfg == 5.5 and known["AuraFlowPipeline"].cfg == 3.5
    family = stock_family()
    assert family.abilities_of("AuraFlowPipeline") == ("cfg",)
    assert family.abilities_of("Flux2KleinPipeline") == ("cfg_scale",)
    assert family.abilities_of("Flux2Pipeline") == ("distilled_cfg",)
    assert family.abilities_of("Krea2TurboModularPipeline") == ()
    assert family.multiple_of("SanaPipeline") == 32 and family.multiple_of("AuraFlowPipeline") == 16


def test_a_whole_folder(tmp_path):
    index = {"_class_name": "AuraFlowPipeline", **parts_of("transformer", "vae"), "feature_extractor": [None, None]}
    found = stock_of(model(tmp_path / "m", index))
    assert (found.runs, found.problem, list(found.parts)) == ("AuraFlowPipeline", None, ["transformer", "vae"])
    assert found.parts["vae"].size_bytes == 16
    [listed] = Catalogue((tmp_path,)).all()
    assert (listed.family, listed.variant, listed.problem) == ("stock", "AuraFlowPipeline", None)
    assert listed.hash and len(listed.weights) == 2


def test_a_class_for_changing_pictures_runs_as_that_for_making_them(tmp_path):
    index = {"_class_name": "QwenImageImg2ImgPipeline", **parts_of("vae")}
    assert stock_of(model(tmp_path / "m", index)).runs == "QwenImagePipeline"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("WanPipeline", "Wan. It makes videos and no pictures."),
        ("QwenImageEditPipeline", "QwenImageEdit. It changes pictures that it is given"),
        ("FluxControlPipeline", "FluxControl. It needs a control picture"),
        ("KandinskyV22Pipeline", "KandinskyV22. It is the second half of a model."),
        ("StableAudioPipeline", "StableAudio. It makes sound"),
        ("KolorsPipeline", "Kolors. It needs the package sentencepiece"),
        ("SomethingPipeline", "It is a model of the kind Something, which cannot be read yet."),
        (["my_code", "MyPipeline"], "It needs program code of its own, which is not run."),
    ],
)
def test_what_makes_no_picture_is_refused_with_the_reason(tmp_path, name, sentence):
    model(tmp_path / "m", {"_class_name": name, **parts_of("transformer")})
    [listed] = Catalogue((tmp_path,)).all()
    assert sentence in listed.problem and listed.family == ""


@pytest.mark.parametrize(
    ("index", "sentence"),
    [
        (parts_of("transformer", "scheduler"), "The part scheduler is missing."),
        (parts_of("transformer", "../vae"), "The part ../vae is missing."),
        (parts_of("transformer", "vae"), "The part vae has no weights"),
    ],
)
def test_what_is_not_whole_is_refused_with_what_lacks(tmp_path, index, sentence):
    folder = model(tmp_path / "m", {"_class_name": "AuraFlowPipeline", **index})
    (folder / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    [listed] = Catalogue((tmp_path,)).all()
    assert sentence in listed.problem and (listed.family, listed.variant) == ("stock", "AuraFlowPipeline")


def test_modular_folders_say_where_their_parts_lie(tmp_path):
    name = "modular_model_index.json"
    base = {"_class_name": "Flux2KleinModularPipeline", **modular("transformer"), **modular("vae")}
    here = model(tmp_path / "here", base, name)
    assert (stock_of(here).runs, list(stock_of(here).parts)) == ("Flux2KleinModularPipeline", ["transformer", "vae"])
    blocks = {**base, "_blocks_class_name": "Flux2KleinBaseAutoBlocks"}
    assert stock_of(model(tmp_path / "base", blocks, name)).runs == "Flux2KleinBaseModularPipeline"
    away = {**base, **modular("text_encoder", repo="owner/model")}
    assert stock_of(model(tmp_path / "away", away, name)).problem == (
        "The part text_encoder is missing. Put the folder text_encoder of owner/model into it."
    )
    out = {**base, **modular("vae", repo="x", subfolder="../here/vae")}
    assert "is missing" in stock_of(model(tmp_path / "out", out, name)).problem
    # What only other forms of it need may lie anywhere.
    other = {**base, **modular("controlnet", repo="owner/model")}
    assert stock_of(model(tmp_path / "other", other, name)).problem is None
    assert {c.name: c.family for c in Catalogue((tmp_path,)).all()}["here"] == "stock"


@pytest.mark.parametrize(
    ("tensor", "title"),
    [
        ("model.diffusion_model.single_stream_modulation.lin.weight", "Flux.2"),
        ("transformer_blocks.0.img_mod.1.weight", "Qwen-Image"),
        ("model.double_layers.0.attn.w1q.weight", "AuraFlow"),
    ],
)
def test_a_single_file_of_such_a_family_is_refused_by_name(tmp_path, tensor, title):
    save_file({tensor: torch.zeros(2)}, tmp_path / "one.safetensors")
    [listed] = Catalogue((tmp_path,)).all()
    assert (
        listed.problem == f"It is {title} in a form that is not read from one file. Get its folder in diffusers' form."
    )


def test_tokens_are_counted_by_the_model_s_own_tokenizer(tmp_path):
    from tests.engine.tiny_stock import tokenizer  # torch and diffusers, and only here

    folder = model(tmp_path / "m", {"_class_name": "AuraFlowPipeline", **parts_of("transformer")})
    [listed] = Catalogue((tmp_path,)).all()
    with pytest.raises(ModelProblem, match="no tokenizer"):
        count_tokens(listed, "a red house")
    tokenizer(room=300).save_pretrained(folder / "tokenizer")
    assert count_tokens(listed, "a red house") == (3, 300)
