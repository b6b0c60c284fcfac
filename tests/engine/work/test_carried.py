"""What only a file beside a model says of it is known of what is made of the model too."""

import json

import pytest
import torch

from webui.core.model_work import Convert, Merge, Prune
from webui.engine.work.convert import convert
from webui.engine.work.files import WorkFiles
from webui.engine.work.merge import merge
from webui.engine.work.merging import MergeFiles
from webui.engine.work.prune import prune

PRUNED = {"betas": torch.ones(10)}
"""What pruning leaves out; where there is nothing of the kind it is refused."""
VELOCITY = "model:\n  params:\n    parameterization: v\n"


@pytest.fixture
def velocity(shelf, made):
    """An SD2 model that predicts velocity, as its .yaml says, and another."""
    shelf.put("b.safetensors", made("sd2", seed=1), torch.float16)
    path = shelf.put("a.safetensors", made("sd2") | PRUNED, torch.float16).path
    path.with_suffix(".yaml").write_text(VELOCITY)
    return shelf.find("a.safetensors")


@pytest.mark.parametrize("suffix", ["safetensors", "ckpt"])
@pytest.mark.parametrize("work", ["merge", "convert", "prune"])
def test_what_is_predicted_is_known_of_the_result(shelf, told, velocity, work, suffix):
    target = shelf.folder / f"new.{suffix}"
    ears = told.progress, told.should_stop
    if work == "merge":
        merge(Merge(), MergeFiles(velocity, target, shelf.find("b.safetensors")), *ears)
    elif work == "convert":
        convert(Convert(suffix), WorkFiles(velocity, target), *ears)
    else:
        prune(Prune(), WorkFiles(velocity, target), *ears)
    assert shelf.find(target.name).prediction_type == "v_prediction"


def test_what_the_person_says_of_the_result_stays(shelf, told, velocity):
    said = shelf.folder / "new.darkroom.json"
    said.write_text('{"prediction_type": "epsilon"}')
    convert(Convert(), WorkFiles(velocity, shelf.folder / "new.safetensors"), told.progress, told.should_stop)
    assert json.loads(said.read_text()) == {"prediction_type": "epsilon"}


def test_its_good_settings_go_with_it(shelf, told, made):
    path = shelf.put("a.safetensors", made("sdxl", marks=("v_pred",)) | PRUNED, torch.float16).path
    said = {"native_size": 128, "sizes": [[128, 128]], "steps": 9, "prediction_type": "v_prediction"}
    path.with_name("a.darkroom.json").write_text(json.dumps(said | {"about": "mine", "vae": "x"}))
    prune(
        Prune(),
        WorkFiles(shelf.find("a.safetensors"), shelf.folder / "new.safetensors"),
        told.progress,
        told.should_stop,
    )
    del said["prediction_type"]
    assert json.loads((shelf.folder / "new.darkroom.json").read_text()) == said


def prefer(path, skip):
    """Have A1111's card beside a model prefer a clip skip."""
    path.write_text(json.dumps({"clip skip": skip}))


@pytest.mark.parametrize("form", ["safetensors", "diffusers"])
def test_what_only_a_card_prefers_is_left_to_the_new_card(shelf, told, made, form):
    source = shelf.put("a.safetensors", made("sd1"), torch.float16)
    prefer(source.path.with_suffix(".json"), 2)
    source = shelf.find("a.safetensors")
    assert source.defaults["clip_skip"] == 2
    target = shelf.folder / ("new.safetensors" if form == "safetensors" else "new")
    convert(Convert(form), WorkFiles(source, target), told.progress, told.should_stop)
    prefer(target.with_name("new.json"), 1)
    assert shelf.find(target.name).defaults["clip_skip"] == 1


@pytest.mark.parametrize("form", ["safetensors", "diffusers"])
def test_a_clip_skip_of_its_own_sidecar_goes_with_it(shelf, told, made, form):
    source = shelf.put("a.safetensors", made("sd1"), torch.float16)
    prefer(source.path.with_suffix(".json"), 3)
    source.path.with_name("a.darkroom.json").write_text('{"clip_skip": 2}')
    target = shelf.folder / ("new.safetensors" if form == "safetensors" else "new")
    convert(Convert(form), WorkFiles(shelf.find("a.safetensors"), target), told.progress, told.should_stop)
    assert shelf.find(target.name).defaults["clip_skip"] == 2


def test_nothing_is_said_any_more_of_what_was_there_before(shelf, told, velocity, made):
    ears = told.progress, told.should_stop
    target = shelf.folder / "mix.safetensors"
    said = target.with_name("mix.darkroom.json")
    convert(Convert(), WorkFiles(velocity, target), *ears)
    said.write_text(json.dumps(json.loads(said.read_text()) | {"about": "mine"}))
    plain = shelf.put("plain.safetensors", made("sd1"), torch.float16)
    convert(Convert(overwrite=True), WorkFiles(plain, target), *ears)
    assert json.loads(said.read_text()) == {"about": "mine"}
    convert(Convert(overwrite=True), WorkFiles(velocity, target), *ears)
    assert shelf.find("mix.safetensors").prediction_type == "v_prediction"


def test_what_cannot_be_written_is_told(shelf, told, velocity):
    target = shelf.folder / "mix.safetensors"
    target.with_name("mix.darkroom.json").mkdir()
    convert(Convert(overwrite=True), WorkFiles(velocity, target), told.progress, told.should_stop)
    assert "prediction_type v_prediction" in told.words and target.is_file()


def test_where_the_weights_say_all_nothing_is_written(shelf, told, made):
    for kind, marks in (("sd1", ()), ("sdxl", ("v_pred", "ztsnr"))):
        source = shelf.put(f"{kind}.safetensors", made(kind, marks=marks), torch.float16)
        convert(Convert("ckpt"), WorkFiles(source, shelf.folder / f"{kind}-new.ckpt"), told.progress, told.should_stop)
    assert not list(shelf.folder.glob("*.json"))
    assert shelf.find("sdxl-new.ckpt").prediction_type == "v_prediction"
