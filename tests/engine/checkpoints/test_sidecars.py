"""What people and programs say of a model beside it: defaults, what it is, what it predicts, facts to read."""

import json

import pytest

from webui.core.errors import ModelProblem
from webui.engine.checkpoints.catalogue import Catalogue


def catalogue(folder):
    return Catalogue((folder,), look_seconds=0)


def test_ours_brings_defaults(put, tmp_path):
    put("whole", tmp_path / "a.safetensors")
    put("whole", tmp_path / "b.safetensors")
    said = {
        "native_size": 768, "steps": 9, "cfg_scale": 5.5, "vae": "v.pt", "clip_skip": 2, "about": ["x"],
        "examples": ["y"], "prediction_type": "v_prediction", "zero_snr": True,
    }  # fmt: skip
    (tmp_path / "a.darkroom.json").write_text(json.dumps(said))
    found = catalogue(tmp_path)
    assert found.get("a").defaults == said and found.get("b").defaults == {}
    assert found.get("a").prediction_type == "v_prediction"


def test_a_named_family_counts_where_the_network_is_of_its_kind(put, tmp_path):
    put("unet", tmp_path / "a.safetensors")
    (tmp_path / "a.darkroom.json").write_text('{"family": "SD2"}')
    found = catalogue(tmp_path).find("a")
    assert found.family == "sd2"
    # SD2's text encoder is of another width, and none is here.
    assert "It has no" in found.problem and "text_encoder" in found.problem


@pytest.mark.parametrize(
    ("family", "sentence"),
    [
        ("sdlx", "Unknown family in its darkroom.json 'sdlx'. Did you mean 'sdxl'?"),
        ("", None),
        (7, "something that is no name"),
        ("flux", "It is said to be Flux.1, and there is no"),
        ("sd1", None),
    ],
)
def test_a_family_that_is_not_known_or_cannot_be_is_said(put, tmp_path, family, sentence):
    put("whole", tmp_path / "a.safetensors")
    (tmp_path / "a.darkroom.json").write_text(json.dumps({"family": family}))
    problem = catalogue(tmp_path).find("a").problem
    assert (sentence in problem) if sentence else problem is None


def test_an_unknown_file_stays_unknown_whatever_is_said_of_it(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    (tmp_path / "a.darkroom.json").write_text('{"family": "sd1"}')
    with pytest.raises(ModelProblem, match="said to be Stable Diffusion 1, and there is no UNet"):
        catalogue(tmp_path).get("a")


V2 = 'model:\n  target: x.LatentDiffusion\n  params:\n    parameterization: "v"\n    timesteps: 1000\n'
XL = "model: {{params: {{denoiser_config: {{params: {{scaling_config: {{target: a.b.{}}}}}}}}}}}\n"


@pytest.mark.parametrize(
    ("text", "prediction"),
    [
        (V2, "v_prediction"),
        (V2.replace('"v"', "eps"), "epsilon"),
        (XL.format("VScaling"), "v_prediction"),
        (XL.format("EpsScaling"), "epsilon"),
        ("model:\n  params:\n    unet_config:\n      params:\n        in_channels: 9\n", "epsilon"),
        ("other: 1\n", ""),
        ("model: 1\n", ""),
    ],
)
def test_a1111s_yaml_says_what_the_model_predicts(put, tmp_path, text, prediction):
    put("whole", tmp_path / "a.safetensors")
    (tmp_path / "a.yaml").write_text(text)
    assert catalogue(tmp_path).get("a").prediction_type == prediction


def test_ours_counts_more_than_a1111s(put, tmp_path):
    put("whole", tmp_path / "a.safetensors")
    (tmp_path / "a.yaml").write_text(V2)
    (tmp_path / "a.darkroom.json").write_text('{"prediction_type": "epsilon"}')
    assert catalogue(tmp_path).get("a").prediction_type == "epsilon"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"a: [", "a.yaml is no YAML"),
        (b"- 1", "a.yaml is no YAML object"),
        (b"\xff\xff", "a.yaml is no YAML"),
        (b"!!python/object/new:os.system [x]", "a.yaml is no YAML"),
        (b"[" * 100_000, "a.yaml is no YAML"),
        (b"a: b\n" * 100_000, "a.yaml is too large"),
    ],
)
def test_a_yaml_that_cannot_be_read_is_a_problem_of_its_model_alone(put, tmp_path, text, sentence):
    put("whole", tmp_path / "a.safetensors")
    put("whole", tmp_path / "b.safetensors")
    (tmp_path / "a.yaml").write_bytes(text)
    hurt, good = catalogue(tmp_path).all()
    assert sentence in hurt.problem and good.problem is None


def test_a1111s_facts_are_kept_for_people(put, tmp_path):
    put("whole", tmp_path / "a.safetensors")
    said = {"description": "d", "notes": "n" * 20_000, "sd version": "SD1", "vae": "v.pt", "other": "o", "weight": 3}
    (tmp_path / "a.json").write_text(json.dumps(said))
    found = catalogue(tmp_path).get("a")
    assert found.card == {"description": "d", "notes": "n" * 10_000, "sd version": "SD1", "vae": "v.pt"}
    assert found.defaults == {}


def test_a_clip_skip_of_the_card_is_a_default_and_ours_counts_more(put, tmp_path):
    for name in ("a", "b", "c"):
        put("whole", tmp_path / f"{name}.safetensors")
        (tmp_path / f"{name}.json").write_text('{"clip skip": 2}')
    (tmp_path / "b.darkroom.json").write_text('{"clip_skip": 3}')
    (tmp_path / "c.json").write_text('{"clip skip": 99, "notes": "n"}')
    found = catalogue(tmp_path)
    assert [found.get(name).defaults for name in "abc"] == [{"clip_skip": 2}, {"clip_skip": 3}, {}]


def test_damaged_facts_for_people_take_no_model_away(put, tmp_path, caplog):
    put("whole", tmp_path / "a.safetensors")
    (tmp_path / "a.json").write_text("{")
    assert catalogue(tmp_path).get("a").card == {}
    assert "a.json is no JSON" in caplog.text


def test_marks_in_the_weights_are_shown(put, tmp_path):
    put("xl", tmp_path / "xl.safetensors")
    found = catalogue(tmp_path).get("xl")
    assert (found.family, found.prediction_type, found.precision, found.format) == (
        "sdxl", "v_prediction", "fp16", "safetensors",
    )  # fmt: skip
