"""Converting: the same model in two forms gives the same bytes, folders are read by diffusers itself."""

import json
import shutil

import diffusers
import pytest
import torch
import transformers
from diffusers import DiffusionPipeline

from tests.engine import singles, tiny_flow, tiny_z_image
from tests.engine.shelf import Told, same, tensors_of
from webui.core.errors import InvalidField, ModelProblem
from webui.core.model_work import Convert
from webui.engine.work.base import Stopped
from webui.engine.work.convert import convert
from webui.engine.work.files import WorkFiles

LAST_LAYER = "cond_stage_model.model.transformer.resblocks.23."


def run(shelf, told, request, source, name):
    return convert(request, WorkFiles(source, shelf.folder / name), told.progress, told.should_stop)


def model_of(kind):
    if kind == "z-image":
        return tiny_z_image.z_image_model()
    return tiny_flow.flow(kind) if kind in tiny_flow.KINDS else singles.sd(kind)


def tokenizers(shelf):
    """The tokenizers that do not ship, where the person has them."""
    tiny_flow.write_tokenizer(shelf.models / "tokenizers" / "t5")
    tiny_z_image.write_tokenizer(shelf.models / "tokenizers" / "qwen3")


def test_a_ckpt_becomes_safetensors_with_the_same_bytes_and_all_it_holds(shelf, told, made):
    tensors = {**made(), "model_ema.decay": torch.ones(()), "alphas_cumprod": torch.ones(3)}
    source = shelf.put("model.ckpt", tensors, torch.float16)
    path = run(shelf, told, Convert(), source, "model.safetensors")
    assert same(tensors_of(path), tensors_of(source.path))
    back = run(shelf, told, Convert("ckpt"), shelf.find("model.safetensors"), "back.ckpt")
    assert same(tensors_of(back), tensors_of(source.path))
    assert shelf.left() == [] and told.said[-1][0] == 1.0


@pytest.mark.parametrize(
    "kind", ["sd1", "sd2", "sdxl", "sdxl-refiner", "sd3", "sd3.5", "flux-dev", "flux-schnell", "z-image"]
)
def test_a_file_as_a_folder_and_back_has_the_same_bytes_and_diffusers_loads_the_folder(shelf, told, kind):
    tokenizers(shelf)
    model = model_of(kind)
    source = shelf.put("model.safetensors", model.tensors(), torch.float16)
    if kind == "sd2":
        with pytest.raises(ModelProblem, match="noise or velocity"):
            run(shelf, told, Convert("diffusers"), source, "folder")
        source.defaults["prediction_type"] = "v_prediction"
    folder = run(shelf, told, Convert("diffusers"), source, "folder")
    found = shelf.find("folder")
    # Folders are told apart by a number that no file of weights says, and a file is drawn by Turbo's.
    variant = "turbo" if kind == "z-image" else source.variant
    assert (found.family, found.problem, found.variant) == (source.family, None, variant)
    assert "left out" not in told.words
    back = run(shelf, told, Convert(), found, "back.safetensors")
    before, after = tensors_of(source.path), tensors_of(back)
    if kind == "sd2":
        # Diffusers' folders lack what SD2 does not read, and say of what it predicts what no file does.
        before = {n: t for n, t in before.items() if not n.startswith(LAST_LAYER) and "text_projection" not in n}
        after = {n: t for n, t in after.items() if not n.endswith("v_pred")}
    assert same(before, after)
    load_with_diffusers(folder, model)
    assert shelf.find("back.safetensors").family == source.family


def load_with_diffusers(folder, model):
    """Diffusers' and transformers' own loaders make the same networks of the folder."""
    index = json.loads((folder / "model_index.json").read_text())
    for name, part in model.parts.items():
        library, kind = index[name]
        cls = getattr({"diffusers": diffusers, "transformers": transformers}[library], kind)
        network, info = cls.from_pretrained(
            folder / name,
            output_loading_info=True,
            **({} if library == "transformers" else {"low_cpu_mem_usage": False}),
        )
        assert not info["missing_keys"] and not info["unexpected_keys"], (name, info)
        own = {n: t.half() for n, t in part.network.state_dict().items()}
        assert all(torch.equal(tensor.half(), own[n]) for n, tensor in network.state_dict().items())
    if index["_class_name"].startswith("StableDiffusionPipeline"):
        pipeline = DiffusionPipeline.from_pretrained(folder)
        assert pipeline.tokenizer("a photo of a cat").input_ids[1:6] == [320, 1125, 539, 320, 2368]


@pytest.mark.parametrize("kind", ["sdxl", "flux-dev"])
def test_scheduler_scales_and_sizes_are_the_family_s(shelf, told, kind):
    tokenizers(shelf)
    model = model_of(kind)
    if kind == "sdxl":
        model.marks.update(v_pred=torch.zeros(0), ztsnr=torch.zeros(0))
    folder = run(shelf, told, Convert("diffusers"), shelf.put("m.safetensors", model.tensors()), "folder")
    read = lambda *names: json.loads(folder.joinpath(*names).read_text())  # noqa: E731
    scheduler, vae = read("scheduler", "scheduler_config.json"), read("vae", "config.json")
    if kind == "sdxl":
        assert (scheduler["prediction_type"], scheduler["rescale_betas_zero_snr"]) == ("v_prediction", True)
        assert (vae["scaling_factor"], read("unet", "config.json")["sample_size"]) == (0.13025, 128)
        back = tensors_of(run(shelf, told, Convert(), shelf.find("folder"), "back.safetensors"))
        assert {"v_pred", "ztsnr", "model.diffusion_model.v_pred"} <= set(back)
        assert shelf.find("back.safetensors").prediction_type == "v_prediction"
    else:
        assert scheduler["use_dynamic_shifting"] and (vae["scaling_factor"], vae["shift_factor"]) == (0.3611, 0.1159)


def test_each_part_gets_the_precision_that_is_asked_for(shelf, told, made):
    source = shelf.put(
        "m.safetensors",
        {**made(), "cond_stage_model.transformer.text_model.embeddings.position_ids": torch.arange(77)[None]},
    )
    request = Convert(precision={"denoiser": "fp8", "text_encoder": "bf16"})
    found, before = tensors_of(run(shelf, told, request, source, "out.safetensors")), made()
    with (shelf.folder / "out.safetensors").open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    unet = "model.diffusion_model.input_blocks.0.0."
    assert header[f"{unet}weight"]["dtype"] == "F8_E4M3" and header[f"{unet}bias"]["dtype"] == "F16"
    assert header["cond_stage_model.transformer.text_model.final_layer_norm.bias"]["dtype"] == "BF16"
    assert header["cond_stage_model.transformer.text_model.embeddings.position_ids"]["dtype"] == "I64"
    assert header["first_stage_model.decoder.conv_in.weight"]["dtype"] == "F32"
    expected = before[f"{unet}weight"].to(torch.float8_e4m3fn).float()
    assert torch.equal(found[f"{unet}weight"], expected)
    shown = shelf.find("out.safetensors")
    assert (shown.precision, shown.problem) == ("fp8 e4m3fn", None)
    # 8-bit weights stay the same bytes in a folder.
    folder = run(shelf, told, Convert("diffusers"), shown, "folder")
    again = run(shelf, told, Convert(), shelf.find("folder"), "again.safetensors")
    del header["cond_stage_model.transformer.text_model.embeddings.position_ids"], header["__metadata__"]
    with again.open("rb") as file:
        other = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    assert {n: (e["dtype"], e["shape"]) for n, e in header.items()} == {
        n: (e["dtype"], e["shape"]) for n, e in other.items() if n != "__metadata__"
    }
    assert folder.is_dir()


def test_scaled_8_bit_weights_are_multiplied_when_they_become_another_type(shelf, told, made):
    tensors, name = dict(made()), "model.diffusion_model.out.2.weight"
    tensors[name] = torch.ones_like(tensors[name]).to(torch.float8_e4m3fn)
    tensors["model.diffusion_model.out.2.scale_weight"] = torch.tensor(0.5)
    source = shelf.put("m.safetensors", tensors)
    found = tensors_of(run(shelf, told, Convert(precision={"denoiser": "fp16"}), source, "out.safetensors"))
    assert found[name].dtype == torch.float16 and found[name].unique().tolist() == [0.5]
    assert not any(n.endswith("scale_weight") for n in found)
    kept = tensors_of(run(shelf, told, Convert("ckpt"), source, "out.ckpt"))
    assert "model.diffusion_model.out.2.scale_weight" in kept


def test_gguf_and_files_of_the_denoiser_alone_become_a_file_of_usual_names(shelf, told):
    model = singles.sd("sd1")
    source = shelf.put("unet.gguf", model.tensors("unet", bare=True))
    found = tensors_of(run(shelf, told, Convert(), source, "out.safetensors"))
    assert same(found, {n: t.float() for n, t in model.tensors("unet").items()})


def test_parts_that_are_in_their_place_keep_it_beside_one_that_is_not(shelf, told):
    model = singles.sd("sd1")
    tensors = model.tensors("unet", bare=True) | model.tensors("vae") | {"alphas_cumprod": torch.ones(2)}
    found = tensors_of(run(shelf, told, Convert("ckpt"), shelf.put("m.safetensors", tensors), "out.ckpt"))
    assert same(found, model.tensors("unet", "vae"))


def test_weights_that_are_no_numbers_are_told_and_kept(shelf, told, made):
    tensors = dict(made())
    name = "first_stage_model.decoder.conv_in.bias"
    tensors[name] = torch.full_like(tensors[name], 1e6)
    source = shelf.put("m.safetensors", tensors)
    found = tensors_of(run(shelf, told, Convert(precision={"vae": "fp16"}), source, "out.safetensors"))
    assert found[name].isinf().all() and f"1 tensor holds values that are no numbers, as {name}" in told.words


@pytest.mark.parametrize(("form", "target"), [("ckpt", "out.ckpt"), ("diffusers", "out")])
def test_they_are_told_too_where_no_precision_is_asked_for(shelf, told, made, form, target):
    tensors = dict(made())
    name = "first_stage_model.decoder.conv_in.bias"
    tensors[name] = torch.full_like(tensors[name], torch.nan)
    run(shelf, told, Convert(form), shelf.put("m.safetensors", tensors), target)
    assert "1 tensor holds values that are no numbers" in told.words and "decoder.conv_in.bias" in told.words


def test_what_is_not_whole_or_known_is_refused_and_a_stop_leaves_nothing(shelf, told, made):
    novae = shelf.put("novae.safetensors", {n: t for n, t in made().items() if not n.startswith("first")})
    with pytest.raises(ModelProblem, match="vae is missing"):
        run(shelf, told, Convert("diffusers"), novae, "folder")
    lora = shelf.put("lora.safetensors", {"lora_unet_x.lora_down.weight": torch.ones(4, 4)})
    with pytest.raises(ModelProblem, match="It is a LoRA"):
        run(shelf, told, Convert(), lora, "out.safetensors")
    with pytest.raises(InvalidField, match=r"does not end in \.ckpt"):
        run(shelf, told, Convert("ckpt"), novae, "out.safetensors")
    with pytest.raises(InvalidField, match="'fp8'"):
        run(shelf, told, Convert(precision={"vae": "int4"}), novae, "out.safetensors")
    source = shelf.put("m.safetensors", made())
    for form, name in (("diffusers", "folder"), ("safetensors", "out.safetensors")):
        with pytest.raises(Stopped):
            run(shelf, Told(stop_after=0.4), Convert(form), source, name)
    assert shelf.left() == [] and shelf.listed() == ["lora.safetensors", "m.safetensors", "novae.safetensors"]


def test_a_folder_is_replaced_whole_or_not_at_all(shelf, told, made):
    source = shelf.put("m.safetensors", made())
    folder = run(shelf, told, Convert("diffusers"), source, "folder")
    (folder / "note.txt").write_text("mine")
    with pytest.raises(Stopped):
        run(shelf, Told(stop_after=0.4), Convert("diffusers", overwrite=True), source, "folder")
    assert (folder / "note.txt").exists()
    run(shelf, told, Convert("diffusers", overwrite=True), source, "folder")
    assert not (folder / "note.txt").exists() and shelf.find("folder").problem is None and shelf.left() == []
    shutil.rmtree(folder)
