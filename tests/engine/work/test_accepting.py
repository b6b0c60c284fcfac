"""What cannot be worked on is refused when it is asked for, at the field that names it, and not when its turn comes."""

import shutil
from dataclasses import replace

import pytest

from tests.engine import singles
from webui.core.errors import ModelProblem
from webui.core.model_work import DIFFUSERS, NO_INTERPOLATION, Convert, Merge, Prune
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.work.library import (
    Library,
    accept_convert,
    accept_merge,
    accept_prune,
    convert_files,
    merge_files,
    prune_files,
)

A, B = "primary_model_name", "secondary_model_name"


@pytest.fixture
def library(shelf):
    return Library(lambda: Catalogue([shelf.folder], look_seconds=0), shelf.models)


@pytest.fixture
def folders(shelf):
    """A folder, and the same without its UNet in four ways."""
    whole = singles.sd_folder(singles.sd("sd1"), shelf.folder / "whole")
    for name in ("no folder", "no weights", "no config", "empty"):
        shutil.copytree(whole, shelf.folder / name)
    shutil.rmtree(shelf.folder / "no folder" / "unet")
    next((shelf.folder / "no weights" / "unet").glob("*.safetensors")).unlink()
    (shelf.folder / "no config" / "unet" / "config.json").unlink()
    next((shelf.folder / "empty" / "unet").glob("*.safetensors")).write_bytes(b"")
    return shelf


def refused(accept, request, library):
    with pytest.raises(ModelProblem) as raised:
        accept(request, library)
    assert raised.value.remedies, "there is a way out"
    return raised.value


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("no folder", "It has no denoiser"),
        ("no weights", "The part unet has no weights"),
        ("no config", "It has no denoiser"),
        ("empty", "is empty"),
    ],
)
def test_a_folder_without_its_denoiser_is_refused_at_once(folders, library, name, why):
    for form in ("safetensors", DIFFUSERS):
        problem = refused(accept_convert, Convert(checkpoint=name, form=form, name="new"), library)
        assert problem.field == "checkpoint" and why in problem.detail
    for form in ("safetensors", DIFFUSERS):
        merge = Merge(primary_model_name=name, secondary_model_name="whole", format=form, custom_name="new")
        problem = refused(accept_merge, merge, library)
        assert problem.field == A and why in problem.detail
        problem = refused(accept_merge, replace(merge, primary_model_name="whole", secondary_model_name=name), library)
        assert problem.field == B and why in problem.detail
    assert refused(accept_prune, Prune(checkpoint=name), library).field == "checkpoint"


def test_parts_without_a_denoiser_are_refused_at_once(folders, library, made):
    parts = {name: tensor for name, tensor in made().items() if not name.startswith("model.")}
    folders.put("parts.safetensors", parts)
    assert refused(accept_convert, Convert(checkpoint="parts"), library).field == "checkpoint"
    merge = Merge(primary_model_name="parts", secondary_model_name="whole")
    assert refused(accept_merge, merge, library).field == A


def test_what_lacks_a_part_is_no_folder_unless_the_merge_gives_it(folders, library, made):
    folders.put("bare.safetensors", {n: t for n, t in made().items() if not n.startswith("first_stage")})
    assert accept_convert(Convert(checkpoint="bare", form="ckpt"), library).target == "bare.ckpt"
    problem = refused(accept_convert, Convert(checkpoint="bare", form=DIFFUSERS), library)
    assert (problem.field, "vae is missing" in problem.detail) == ("checkpoint", True)
    alone = Merge(NO_INTERPOLATION, format=DIFFUSERS, primary_model_name="bare", custom_name="new")
    problem = refused(accept_merge, alone, library)
    assert (problem.field, "vae is missing" in problem.detail) == (A, True)
    with_b = Merge(format=DIFFUSERS, primary_model_name="bare", secondary_model_name="whole", custom_name="new")
    assert accept_merge(with_b, library).target == "new"


def test_a_folder_of_sd2_that_says_nothing_of_its_prediction_is_refused_at_once(shelf, library, made):
    for seed, name in enumerate(("a", "b")):
        shelf.put(f"{name}.safetensors", made("sd2", seed=seed))
    convert = Convert(checkpoint="a", form=DIFFUSERS, name="new")
    merge = Merge(primary_model_name="a", secondary_model_name="b", format=DIFFUSERS, custom_name="new")
    for accept, request, field in ((accept_convert, convert, "checkpoint"), (accept_merge, merge, A)):
        problem = refused(accept, request, library)
        assert (problem.field, "predicts noise or velocity" in problem.detail) == (field, True)
        ways = " ".join(problem.remedies)
        assert ".yaml" in ways and 'a.darkroom.json beside it that holds {"prediction_type": "v_prediction"}' in ways
    assert accept_convert(replace(convert, form="ckpt"), library).target == "new.ckpt", "a file need not say it"
    (shelf.folder / "a.darkroom.json").write_text('{"prediction_type": "v_prediction"}')
    for accept, request in ((accept_convert, convert), (accept_merge, merge)):
        assert accept(request, library).target == "new"


def test_what_is_made_lies_beside_its_source_and_takes_no_name_of_another_model(shelf, library, made):
    (shelf.folder / "XL").mkdir()
    shelf.put("XL/base.safetensors", made())
    convert, prune = Convert(checkpoint="base", form=DIFFUSERS), Prune(checkpoint="base")
    assert convert_files(convert, library).target == shelf.folder / "XL" / "base-diffusers"
    assert convert_files(replace(convert, form="ckpt"), library).target == shelf.folder / "XL" / "base.ckpt"
    assert prune_files(prune, library).target == shelf.folder / "XL" / "base-pruned.safetensors"
    # Where the form stays, the precision tells the new file from the old one, which only who asks for it replaces.
    again = Convert(checkpoint="base", precision={"denoiser": "fp16", "vae": "fp16"})
    assert convert_files(again, library).target == shelf.folder / "XL" / "base-fp16.safetensors"
    assert convert_files(replace(again, overwrite=True), library).target == shelf.folder / "XL" / "base.safetensors"
    accepted = accept_convert(again, library)
    assert convert_files(accepted, library).target == shelf.folder / accepted.target
    # A name that is given goes where it always went.
    assert convert_files(replace(convert, name="mine"), library).target == shelf.folder / "mine"
    for files, accepted in (
        (convert_files, accept_convert(convert, library)),
        (prune_files, accept_prune(prune, library)),
    ):
        assert accepted.target.startswith("XL/base-"), "the line tells works in different folders apart"
        assert files(accepted, library).target == shelf.folder / accepted.target
    outside = replace(accept_convert(convert, library), target="../../away")
    assert convert_files(outside, library).target == shelf.folder / "XL" / "away"
    shelf.put("base-diffusers.safetensors", made())
    assert convert_files(convert, library).target == shelf.folder / "XL" / "base-diffusers-2"
    alone = Merge(NO_INTERPOLATION, format=DIFFUSERS, primary_model_name="base-diffusers")
    assert merge_files(alone, library).target == shelf.folder / "base-diffusers-diffusers"


def test_what_is_made_of_models_elsewhere_goes_among_one_s_own(shelf, made, tmp_path):
    other = tmp_path / "elsewhere"
    other.mkdir()
    singles.write(made(), other / "theirs.safetensors")
    library = Library(lambda: Catalogue([shelf.folder, other], look_seconds=0), shelf.models)
    convert = Convert(checkpoint="theirs", form=DIFFUSERS)
    assert convert_files(convert, library).target == shelf.folder / "theirs-diffusers"
    assert prune_files(Prune(checkpoint="theirs"), library).target == shelf.folder / "theirs-pruned.safetensors"
