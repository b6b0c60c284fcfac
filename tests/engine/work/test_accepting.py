"""What cannot be worked on is refused when it is asked for, at the field that names it, and not when its turn comes."""

import shutil
from dataclasses import replace

import pytest

from tests.engine import singles
from webui.core.errors import ModelProblem
from webui.core.model_work import DIFFUSERS, NO_INTERPOLATION, Convert, Merge, Prune
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.work.library import Library, accept_convert, accept_merge, accept_prune

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
