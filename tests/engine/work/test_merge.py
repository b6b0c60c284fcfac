"""Merging: A1111's three methods to the number, its recipe, and a sentence for everything that does not fit."""

import json
import os
import shutil
import time
from collections import namedtuple
from dataclasses import replace

import pytest
import torch

from tests.engine import singles, tiny
from tests.engine.shelf import Told, same, tensors_of
from webui.core.errors import Conflict, DarkroomError, InvalidField, ModelProblem, StorageProblem
from webui.core.model_work import ADD_DIFFERENCE, NO_INTERPOLATION, Merge
from webui.engine.layouts import ldm
from webui.engine.work import files as work_files
from webui.engine.work import writing
from webui.engine.work.base import Stopped
from webui.engine.work.merge import merge
from webui.engine.work.merging import MergeFiles
from webui.engine.work.naming import merged_name

UNET = "model.diffusion_model."
ENTRY = f"{UNET}input_blocks.0.0.weight"


def run(shelf, told, request, a, b=None, c=None, vae=None, name="out.safetensors"):
    return merge(request, MergeFiles(a, shelf.folder / name, b, c, vae), told.progress, told.should_stop)


@pytest.mark.parametrize("kind", ["sd1", "sd2", "sdxl"])
def test_a_weighted_sum_is_the_sum_in_fp32(shelf, told, made, kind):
    one, two = made(kind), made(kind, seed=1)
    a = shelf.put("a.safetensors", {**one, "alphas_cumprod": torch.ones(5)}, torch.float16)
    b = shelf.put("b.ckpt", {**two, "alphas_cumprod": torch.zeros(5)}, torch.float16)
    path = run(shelf, told, Merge(multiplier=0.3, precision="fp32"), a, b)
    found = tensors_of(path)
    assert set(found) == set(one) | {"alphas_cumprod"}
    for name in one:
        expected = one[name].half().float() * 0.7 + two[name].half().float() * 0.3
        torch.testing.assert_close(found[name], expected, rtol=0, atol=1e-6)
    assert found["alphas_cumprod"].tolist() == [1.0] * 5, "tables of noise levels are A's"
    assert told.said[-1][0] == 1.0
    assert shelf.find("out.safetensors").family == kind
    assert shelf.left() == []


def test_the_difference_of_two_is_added(shelf, told, made):
    one, two, three = made(), made(seed=1), made(seed=2)
    a, b, c = (shelf.put(f"{n}.safetensors", t) for n, t in zip("abc", (one, two, three), strict=True))
    found = tensors_of(run(shelf, told, Merge(ADD_DIFFERENCE, 0.5, precision="bf16"), a, b, c))
    for name in one:
        expected = (one[name] + (two[name] - three[name]) * 0.5).to(torch.bfloat16)
        assert torch.equal(found[name], expected), name


def test_no_interpolation_keeps_a_and_takes_another_vae_and_leaves_out_what_is_asked(shelf, told, made):
    one = made()
    a = shelf.put("a.safetensors", one, torch.float16)
    other = singles.sd("sd1", seed=5)
    vae = singles.write(other.tensors("vae", bare=True), shelf.models / "VAE" / "nice.safetensors")
    request = Merge(NO_INTERPOLATION, format="safetensors", discard_weights=r"^cond_stage")
    found = tensors_of(run(shelf, told, request, a, vae=vae))
    assert not any(name.startswith("cond_stage") for name in found)
    baked = tiny.renamed(other["vae"], ldm.vae, "first_stage_model.")
    assert set(baked) <= set(found)
    for name, tensor in found.items():
        expected = baked[name] if name in baked else one[name].half()
        assert torch.equal(tensor, expected), name


def test_a_folder_merges_like_the_file_of_the_same_model(shelf, told, made, tmp_path):
    model = singles.sd("sdxl", seed=1)
    a, b = shelf.put("a.safetensors", made("sdxl")), shelf.put("b.safetensors", model.tensors())
    folder = shelf.folder / "folder"
    for name, part in model.parts.items():
        part.network.save_pretrained(folder / name)
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "StableDiffusionXLPipeline"}))
    singles.tokenizer(folder / "tokenizer")
    singles.tokenizer(folder / "tokenizer_2", "!")
    one = tensors_of(run(shelf, told, Merge(), a, b, name="1.safetensors"))
    two = tensors_of(run(shelf, told, Merge(), a, shelf.find("folder"), name="2.safetensors"))
    assert same(one, two)


@pytest.mark.parametrize("channels", [9, 8])
def test_what_a_has_more_channels_for_stays_as_it_is(shelf, told, made, channels):
    one, two = made(channels=channels), made(seed=1)
    a, b = shelf.put("a.safetensors", one), shelf.put("b.safetensors", two)
    path = run(shelf, told, Merge(multiplier=0.25), a, b)
    entry = tensors_of(path)[ENTRY]
    assert torch.equal(entry[:, 4:], one[ENTRY][:, 4:])
    torch.testing.assert_close(entry[:, :4], one[ENTRY][:, :4] * 0.75 + two[ENTRY] * 0.25)
    added = tensors_of(run(shelf, told, Merge(ADD_DIFFERENCE, 1.0), a, b, b, name="added.safetensors"))
    assert torch.equal(added[ENTRY], one[ENTRY])
    with pytest.raises(ModelProblem, match="must be A") as error:
        run(shelf, told, Merge(), b, a, name="no.safetensors")
    assert "Choose a.safetensors as A" in error.value.remedies
    assert json.loads(metadata(path)["sd_merge_recipe"])["is_inpainting"] == (channels == 9)


def metadata(path):
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        return json.loads(file.read(length))["__metadata__"]


def test_the_recipe_names_all_models_that_it_is_made_of_as_a1111_writes_it(shelf, told, made):
    a = shelf.put("a.safetensors", made(), metadata={"modelspec.title": "Nice", "sd_merge_models": "{no"})
    b = shelf.put("b.safetensors", made(seed=1))
    first = run(shelf, told, Merge(precision="fp16", custom_name="first"), a, b, name="first.safetensors")
    found = metadata(first)
    recipe, models = json.loads(found["sd_merge_recipe"]), json.loads(found["sd_merge_models"])
    assert recipe == {
        "type": "webui", "primary_model_hash": a.hash, "secondary_model_hash": b.hash, "tertiary_model_hash": None,
        "interp_method": "Weighted sum", "multiplier": 0.3, "save_as_half": True, "custom_name": "first",
        "config_source": 0, "bake_in_vae": "None", "discard_weights": "", "is_inpainting": False,
        "is_instruct_pix2pix": False,
    }  # fmt: skip
    assert models[a.hash] == {"name": "a.safetensors", "legacy_hash": a.legacy_hash, "sd_merge_recipe": None}
    assert found["modelspec.title"] == "Nice" and found["format"] == "pt"

    merged = replace(shelf.find("first.safetensors"), hash="")
    request = Merge(metadata_from="none")
    second = metadata(run(shelf, told, request, merged, b, name="second.safetensors"))
    models = json.loads(second["sd_merge_models"])
    own = shelf.find("first.safetensors").hash
    assert set(models) == {a.hash, b.hash, own} and models[own]["sd_merge_recipe"] == recipe
    assert "modelspec.title" not in second
    plain = metadata(run(shelf, told, Merge(add_merge_recipe=False), a, b, name="third.safetensors"))
    assert not {"sd_merge_recipe", "sd_merge_models"} & set(plain)


def test_a_ckpt_holds_the_same_numbers(shelf, told, made):
    a, b = shelf.put("a.safetensors", made()), shelf.put("b.safetensors", made(seed=1))
    one = tensors_of(run(shelf, told, Merge(precision="fp16"), a, b))
    path = run(shelf, told, Merge(precision="fp16", format="ckpt"), a, b, name="out.ckpt")
    assert same(one, tensors_of(path))
    assert set(torch.load(path, weights_only=True)["state_dict"]) == set(one)
    assert path.stat().st_size < 1.2 * (shelf.folder / "out.safetensors").stat().st_size


def test_names_are_those_that_a1111_gives():
    assert merged_name(Merge(multiplier=0.3), "a", "b") == "0.7(a) + 0.3(b)"
    assert merged_name(Merge(ADD_DIFFERENCE, 0.5), "a", "b", "c") == "a + 0.5(b - c)"
    assert merged_name(Merge(NO_INTERPOLATION), "a") == "a"


def test_numbers_that_are_none_end_the_merge_with_a_sentence(shelf, told, made):
    broken = dict(made(seed=1))
    broken["first_stage_model.decoder.conv_in.bias"] = torch.full_like(
        broken["first_stage_model.decoder.conv_in.bias"], torch.nan
    )
    a, b = shelf.put("a.safetensors", made()), shelf.put("b.safetensors", broken)
    with pytest.raises(ModelProblem, match=r"decoder\.conv_in\.bias .*NaN"):
        run(shelf, told, Merge(), a, b)
    assert shelf.left() == [] and "out.safetensors" not in shelf.listed()
    # It is what would be written that counts: another VAE in place of the damaged one is a way out.
    vae = singles.write(singles.sd("sd1").tensors("vae", bare=True), shelf.models / "VAE" / "nice.safetensors")
    run(shelf, told, Merge(), a, b, vae=vae)


@pytest.mark.parametrize(
    ("request_", "letters", "match"),
    [
        (Merge(), "a", "takes A and B"),
        (Merge(ADD_DIFFERENCE), "ab", "takes A and B and C"),
        (Merge(NO_INTERPOLATION), "ab", "takes A; given: A and B"),
        (Merge(multiplier=1.5), "ab", "from 0 to 1"),
        (Merge(multiplier=float("nan")), "ab", "from 0 to 1"),
        (Merge(discard_weights="("), "ab", "no regular expression"),
        (Merge("Average"), "ab", "'Add difference'"),
        (Merge(precision="fp8"), "ab", "'bf16'"),
        (Merge(metadata_from="C"), "ab", "no C"),
    ],
)
def test_wrong_requests_are_refused(shelf, told, made, request_, letters, match):
    a = shelf.put("a.safetensors", made())
    with pytest.raises(InvalidField, match=match):
        run(shelf, told, request_, *(a for _ in letters))


def test_models_of_two_families_and_what_is_no_checkpoint_are_refused(shelf, told, made):
    a, b = shelf.put("a.safetensors", made()), shelf.put("b.safetensors", made("sdxl"))
    with pytest.raises(ModelProblem, match="is a model of Stable Diffusion XL and A of Stable Diffusion 1;"):
        run(shelf, told, Merge(), a, b)
    lora = shelf.put("lora.safetensors", {"lora_unet_x.lora_down.weight": torch.ones(4, 4)})
    with pytest.raises(ModelProblem, match=r"B, lora\.safetensors, cannot be merged\. It is a LoRA"):
        run(shelf, told, Merge(), a, lora)
    other = dict(made(seed=1))
    other[f"{UNET}time_embed.0.bias"] = torch.zeros(7)
    c = shelf.put("c.safetensors", other)
    with pytest.raises(ModelProblem, match=r"time_embed\.0\.bias is \(128,\) in A and \(7,\) in B"):
        run(shelf, told, Merge(), a, c)


def test_a_full_disk_and_a_stop_leave_nothing_behind(shelf, made, monkeypatch):
    a, b = shelf.put("a.safetensors", made()), shelf.put("b.safetensors", made(seed=1))
    for suffix in ("safetensors", "ckpt"):
        with pytest.raises(Stopped):
            run(shelf, Told(stop_after=0.5), Merge(format=suffix), a, b, name=f"out.{suffix}")
    room = namedtuple("Room", "free")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda folder: room(1000))
        with pytest.raises(StorageProblem, match="0 MiB free, and this takes"):
            run(shelf, Told(), Merge(), a, b)

    class Full:
        def __init__(self, file):
            self.file, self.room = file, 3_000_000

        def __getattr__(self, name):
            return getattr(self.file, name)

        def write(self, data):
            self.room -= len(data)
            if self.room < 0:
                raise OSError(28, "No space left on device")
            return self.file.write(data)

    real = (writing._safetensors, writing._torch_file)
    monkeypatch.setattr(writing, "_safetensors", lambda file, *rest: real[0](Full(file), *rest))
    monkeypatch.setattr(writing, "_torch_file", lambda file, *rest: real[1](Full(file), *rest))
    for suffix in ("safetensors", "ckpt"):
        with pytest.raises(StorageProblem, match="The disk is full"):
            run(shelf, Told(), Merge(format=suffix), a, b, name=f"out.{suffix}")
    assert shelf.left() == [] and shelf.listed() == ["a.safetensors", "b.safetensors"]


def test_what_is_there_is_replaced_only_when_asked(shelf, told, made):
    a, b = shelf.put("a.safetensors", made()), shelf.put("b.safetensors", made(seed=1))
    before = b.path.read_bytes()
    with pytest.raises(Conflict, match=r"b\.safetensors is there already"):
        run(shelf, told, Merge(), a, b, name="b.safetensors")
    assert b.path.read_bytes() == before
    (shelf.folder / "dangling.safetensors").symlink_to(shelf.folder / "nowhere")
    with pytest.raises(Conflict):
        run(shelf, told, Merge(), a, b, name="dangling.safetensors")
    expected = tensors_of(run(shelf, told, Merge(), a, b))
    # Onto one of the inputs: it is read as it was.
    found = tensors_of(run(shelf, told, Merge(overwrite=True), a, b, name="b.safetensors"))
    assert same(expected, found)
    # A link's own place is taken, what it leads to is left alone.
    (shelf.folder / "link.safetensors").symlink_to(a.path)
    run(shelf, told, Merge(overwrite=True), a, b, name="link.safetensors")
    assert not (shelf.folder / "link.safetensors").is_symlink()
    assert same(tensors_of(a.path), made())


def test_a_file_that_changes_while_it_is_read_is_said(shelf, made):
    a, b = shelf.put("a.safetensors", made()), shelf.put("b.safetensors", made(seed=1))

    class Meddling(Told):
        def progress(self, fraction, words):
            super().progress(fraction, words)
            if words == "Merging" and len(self.said) == 5:
                with b.path.open("r+b") as file:
                    file.seek(-4, 2)
                    file.write(b"\x00\x00\x00\x00")
                os.utime(b.path, ns=(1, 1))

    told = Meddling()
    with pytest.raises(ModelProblem, match=r"b\.safetensors was changed while it was read"):
        run(shelf, told, Merge(), a, b)
    assert "out.safetensors" not in shelf.listed()


@pytest.mark.parametrize(
    "name", ['it\'s "nice".safetensors', "\u6a21\u578b \U0001f3a8.safetensors", "n" * 238 + ".safetensors"]
)
def test_names_of_every_kind_are_merged(shelf, told, made, name):
    a = shelf.put(name, made())
    path = run(shelf, told, Merge(NO_INTERPOLATION), a, name="out " + name[4:])
    assert same(tensors_of(path), made())
    with pytest.raises(DarkroomError, match="longer than"):
        run(shelf, told, Merge(NO_INTERPOLATION), a, name="x" * 250 + ".safetensors")


def test_links_are_followed_and_files_that_went_are_said(shelf, told, made):
    a = shelf.put("a.safetensors", made())
    elsewhere = shelf.models / "elsewhere.safetensors"
    a.path.rename(elsewhere)
    a.path.symlink_to(elsewhere)
    assert same(tensors_of(run(shelf, told, Merge(NO_INTERPOLATION), a)), made())
    elsewhere.unlink()
    for request in (Merge(NO_INTERPOLATION), Merge(NO_INTERPOLATION, add_merge_recipe=False)):
        with pytest.raises(ModelProblem, match=r"a\.safetensors cannot be read"):
            run(shelf, told, request, replace(a, hash=""), name="no.safetensors")


def test_a_damaged_file_is_a_sentence(shelf, told, made):
    a, b = shelf.put("a.safetensors", made()), shelf.put("b.safetensors", made(seed=1))
    b.path.write_bytes(b.path.read_bytes()[:-10])
    with pytest.raises(ModelProblem, match=r"b\.safetensors is cut off"):
        run(shelf, told, Merge(), a, b)
    assert shelf.left() == []


def test_what_a_kill_left_is_taken_away_by_the_next_work(shelf, told, made):
    a = shelf.put("a.safetensors", made())
    left, fresh = (work_files.hidden(shelf.folder / "x.safetensors") for _ in range(2))
    left.write_bytes(b"x")
    kept = work_files.hidden(shelf.folder / "x.safetensors", "abc")
    for path in (kept, fresh):
        path.write_bytes(b"x")
    day_ago = time.time() - 24 * 3600
    for path in (kept, left):
        os.utime(path, (day_ago, day_ago))
    assert shelf.listed() == ["a.safetensors"]
    run(shelf, told, Merge(NO_INTERPOLATION), a)
    assert not left.exists() and fresh.exists() and kept.exists()
