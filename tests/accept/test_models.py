"""Acceptance of what a model has: its VAE and text encoders, its own samplers, the fields that mean something to it."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests import shams
from tests.conftest import make_sham
from webui import accept
from webui.core import infotext
from webui.core.errors import DarkroomError, InvalidField, InvalidRequest, ModelProblem, UnknownName
from webui.core.fields import ROWS
from webui.core.model_folders import inside_models
from webui.core.paths import PROGRAM_DIR
from webui.core.registry import Registry
from webui.core.request import GenerationRequest
from webui.core.settings import Settings
from webui.engine.checkpoints.accepted import find_accepted
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.checkpoints.distilled import DISTILLED

EVERY = {"text_encoders": "clip_l.safetensors, t5xxl.safetensors"}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    make_sham(folder / "Stable-diffusion" / "sham")
    shams.write_flux_house(folder)
    return folder


@pytest.fixture
def accepted(models: Path, registry: Registry) -> Any:
    """accepted(values, settings): the request that these values become."""

    def make(values: dict[str, Any], **settings: Any) -> GenerationRequest:
        catalogue = Catalogue(inside_models(models), look_seconds=0)
        return accept.resolve(values, registry, catalogue, Settings(**settings), ROWS)

    return make


def test_what_was_taken_automatically_stands_in_the_request_by_name_and_hash(accepted: Any) -> None:
    made = accepted({"checkpoint": "flux-dev"})
    assert made.vae == "ae.safetensors" and len(made.vae_hash) == 64
    assert made.text_encoders == EVERY["text_encoders"] and len(made.text_encoders_hash) == 64
    assert made.abilities == "cfg,distilled_cfg,refiner,noise,hires,precision" and made.distilled_cfg_scale == 3.5
    assert accepted(made.to_json()) == made, "sent back as it is, it is the same"
    inside = accepted({"checkpoint": "sham"})
    assert (inside.vae, inside.vae_hash, inside.text_encoders, inside.text_encoders_hash) == ("None", "", "", "")


def test_a_chosen_vae_is_found_by_every_name_and_stored_by_one(accepted: Any) -> None:
    made = [accepted({"checkpoint": "flux-dev", "vae": name}) for name in ("flux-new", "FLUX-NEW.safetensors")]
    assert {one.vae for one in made} == {"flux-new.safetensors"}
    assert made[0].vae_hash != accepted({"checkpoint": "flux-dev"}).vae_hash


@pytest.mark.parametrize(
    ("values", "field", "kind", "words"),
    [
        ({"checkpoint": "flux-dev", "vae": "sd-mse"}, "vae", ModelProblem, "does not fit Flux.1: latent channels"),
        ({"checkpoint": "flux-dev", "vae": "flux-nwe.safetensors"}, "vae", UnknownName, "Did you mean 'flux-new"),
        ({"checkpoint": "flux-dev", "vae": "None"}, "vae", ModelProblem, "no VAE inside this checkpoint"),
        ({"checkpoint": "sham", "text_encoders": "t5xxl"}, "text_encoders", ModelProblem, "does not fit Stable"),
        ({"checkpoint": "flux-dev", "vae_hash": "0" * 64}, "vae", ModelProblem, "was made with (0000000000)"),
        ({"checkpoint": "flux-dev", "sampler_name": "DDIM"}, "sampler_name", InvalidField, "Euler a or one of"),
        ({"checkpoint": "flux-schnell", "cfg_scale": 3}, "cfg_scale", InvalidField, "Flux.1 schnell has no CFG scale"),
        ({"checkpoint": "flux-schnell", "negative_prompt": "x"}, "negative_prompt", InvalidField, "has no Negative"),
        ({"checkpoint": "sham", "distilled_cfg_scale": 2}, "distilled_cfg_scale", InvalidField, "has no Distilled"),
    ],
)
def test_what_the_model_does_not_take_is_refused_by_a_sentence(
    accepted: Any, values: dict[str, Any], field: str, kind: type[DarkroomError], words: str
) -> None:
    with pytest.raises(kind) as refused:
        accepted(values)
    assert refused.value.field == field and words in refused.value.detail
    assert not isinstance(refused.value, InvalidRequest)


def test_defaults_of_what_it_does_not_know_are_taken_for_nothing(accepted: Any) -> None:
    made = accepted({"checkpoint": "flux-schnell", "cfg_scale": 7.0, "negative_prompt": "", "distilled_cfg_scale": 3.5})
    assert (made.cfg_scale, made.steps, made.sampler_name, made.abilities) == (
        1.0,
        4,
        "Euler",
        "refiner,noise,hires,precision",
    )
    assert "CFG" not in infotext.write(made)


def test_the_settings_vae_is_taken_where_it_fits(accepted: Any) -> None:
    chosen = {"sd_vae": "flux-new.safetensors", "sd_text_encoders": "t5xxl"}
    assert accepted({"checkpoint": "flux-dev"}, **chosen).vae == "flux-new.safetensors"
    assert accepted({"checkpoint": "flux-dev", "vae": "Automatic"}, **chosen).vae == "ae.safetensors"
    assert accepted({"checkpoint": "sham"}, **chosen).vae == "None"


def test_the_settings_precisions_are_the_defaults_and_a_request_has_its_own(accepted: Any) -> None:
    settings = {"denoiser_precision": "fp8", "vae_precision": "bf16"}
    made = accepted({"checkpoint": "sham", "vae_precision": "FP16"}, **settings)
    assert (made.denoiser_precision, made.text_encoder_precision, made.vae_precision) == ("fp8", "Automatic", "fp16")
    assert accepted(made.to_json()) == made, "sent back as it is, it is the same"
    text = infotext.write(made)
    assert "Diffusion in Low Bits: float8-e4m3fn, VAE precision: fp16" in text and "Text encoder" not in text
    assert accepted({**infotext.parse(text).values, "checkpoint": "sham"}) == made
    with pytest.raises(InvalidField, match="one of Automatic, fp32, fp16, bf16, fp8"):
        accepted({"checkpoint": "sham", "denoiser_precision": "nf4"})


def test_what_diffusers_reads_whole_has_no_precision_of_parts(models: Path, accepted: Any) -> None:
    shams.write_sana(models / "Stable-diffusion" / "sana")
    made = accepted({"checkpoint": "sana"}, denoiser_precision="fp8")
    assert made.denoiser_precision == "Automatic" and "precision" not in made.abilities
    with pytest.raises(InvalidField, match="sana has no VAE precision, so it cannot be set") as refused:
        accepted({"checkpoint": "sana", "vae_precision": "fp8"})
    assert refused.value.field == "vae_precision" and refused.value.remedies == ("Use Automatic",)


@pytest.mark.parametrize("name", ["flux-dev.darkroom.json", "flux-dev.json"])
def test_the_vae_that_its_sidecar_prefers_is_the_automatic_one(models: Path, accepted: Any, name: str) -> None:
    sidecar = models / "Stable-diffusion" / name
    sidecar.write_text(json.dumps({"vae": "flux-new"}))
    assert accepted({"checkpoint": "flux-dev"}).vae == "flux-new.safetensors"
    sidecar.write_text(json.dumps({"vae": "gone"}))
    assert accepted({"checkpoint": "flux-dev"}).vae == "ae.safetensors"


def test_the_clip_skip_that_its_card_prefers_is_the_default_where_the_model_knows_it(
    models: Path, accepted: Any
) -> None:
    (models / "Stable-diffusion" / "sham.json").write_text('{"clip skip": 2}')
    (models / "Stable-diffusion" / "flux-dev.json").write_text('{"clip skip": 2}')
    made = accepted({"checkpoint": "sham"})
    assert made.clip_skip == 2 and "Clip skip: 2" in infotext.write(made)
    assert accepted({"checkpoint": "sham", "clip_skip": 1}).clip_skip == 1
    made = accepted({"checkpoint": "flux-dev"})
    assert made.clip_skip == 1 and "Clip skip" not in infotext.write(made)
    with pytest.raises(InvalidField, match="has no Clip skip"):
        accepted({"checkpoint": "flux-dev", "clip_skip": 2})


@pytest.mark.parametrize(
    ("name", "steps", "cfg", "sampler"),
    [
        ("RealXL_Lightning_4step", 4, 1.0, "Euler"),
        ("sdxl_lightning_8step", 8, 1.0, "Euler"),
        ("modelXL-Turbo", 4, 1.0, "Euler a"),
        ("modelHyperVAE", 8, 1.0, "DDIM"),
        ("hyperrealism", 20, 7.0, "DPM++ 2M"),
        ("LCM_dreams", 8, 1.5, "Euler a"),
    ],
)
def test_a_distilled_checkpoint_is_known_by_its_name(
    tmp_path: Path, registry: Registry, name: str, steps: int, cfg: float, sampler: str
) -> None:
    folder = make_sham(tmp_path / name)
    (folder / "darkroom.json").unlink()
    made = accept.resolve({}, registry, Catalogue((tmp_path,)), Settings(), ROWS)
    assert (made.steps, made.cfg_scale, made.sampler_name) == (steps, cfg, sampler)
    assert accept.resolve({"steps": 33}, registry, Catalogue((tmp_path,)), Settings(), ROWS).steps == 33


def test_forges_modules_are_put_where_they_belong(models: Path, registry: Registry) -> None:
    catalogue = Catalogue(inside_models(models), look_seconds=0)
    text = "x\nSteps: 4, Sampler: Euler, Seed: 1, Module 1: flux-new, Module 2: clip_l, Module 3: t5xxl, Module 4: lost"
    read = accept.canonical(infotext.parse(text), registry, catalogue)
    assert read.values["vae"] == "flux-new.safetensors" and read.values["text_encoders"] == EVERY["text_encoders"]
    assert read.unknown == {"Module 4": "lost"}
    for said, known, unknown in (("ae", "ae.safetensors", None), ("gone", None, "gone"), ("None", "None", None)):
        read = accept.canonical(infotext.parse(f"x\nSteps: 4, VAE: {said}, Seed: 1"), registry, catalogue)
        assert (read.values.get("vae"), read.unknown.get("VAE")) == (known, unknown)


def test_a_vae_is_found_by_its_hash_whatever_it_is_called_here(models: Path, registry: Registry) -> None:
    catalogue = Catalogue(inside_models(models), look_seconds=0, hash_large=False)
    path = models / "VAE" / "flux-new.safetensors"
    digits = hashlib.sha256(path.read_bytes()).hexdigest()[:10]
    line = f"x\nSteps: 4, VAE hash: {digits}, VAE: theirs.vae.pt, Seed: 1"
    # Until a file is hashed it cannot be told from others.
    assert accept.canonical(infotext.parse(line), registry, catalogue).unknown["VAE"] == "theirs.vae.pt"
    chosen = catalogue.with_parts(catalogue.find("flux-dev"), "flux-new")
    assert catalogue.hash_of_parts(chosen, "vae").startswith(digits)
    read = accept.canonical(infotext.parse(line), registry, catalogue)
    assert read.values["vae"] == "flux-new.safetensors" and "VAE" not in read.unknown
    assert "vae_hash" not in read.values
    # An unknown hash leaves it to the name.
    other = line.replace(digits, "0" * 10).replace("theirs.vae.pt", "ae")
    assert accept.canonical(infotext.parse(other), registry, catalogue).values["vae"] == "ae.safetensors"


def test_the_worker_puts_together_what_was_accepted_and_nothing_else(models: Path, accepted: Any) -> None:
    made = accepted({"checkpoint": "flux-dev", "vae": "flux-new"})
    catalogue = Catalogue(inside_models(models), models.parent, look_seconds=0)
    whole = find_accepted(catalogue, made)
    assert [file.name for file in whole.weights] == [
        "flux-dev.safetensors", "flux-new.safetensors", "clip_l.safetensors", "t5xxl.safetensors",
    ]  # fmt: skip
    vae = shams.write(models / "VAE" / "flux-new.safetensors", ("", shams.vae(16)), fill=2.0)
    # Clocks of disks tick slowly; a file of one size is told from its former self by its time.
    os.utime(vae, ns=(0, vae.stat().st_mtime_ns + 10**9))
    Catalogue(inside_models(models), models.parent).hash_of_parts(whole, "vae")
    with pytest.raises(ModelProblem, match="VAE is no longer the file"):
        find_accepted(catalogue, made)


def test_the_docs_table_is_the_table_of_distilled_models() -> None:
    page = (PROGRAM_DIR / "docs" / "checkpoints.md").read_text("utf-8")
    for row in DISTILLED:
        if "sdxl" in row.families:
            given = row.defaults
            values = [row.word, given["steps"], f"{given['cfg_scale']:g}", given["sampler_name"], given["scheduler"]]
            assert f"| {' | '.join(map(str, values))} |" in page


def test_a_setting_names_a_vae_as_it_is_called_here(models: Path) -> None:
    catalogue = Catalogue(inside_models(models), look_seconds=0)
    vaes, encoders = catalogue.vaes(), catalogue.text_encoders()
    assert accept.known_parts("sd_vae", "FLUX-NEW", vaes) == "flux-new.safetensors"
    assert [accept.known_parts("sd_vae", word, vaes) for word in ("", "none", "automatic")] == [
        "Automatic", "None", "Automatic",
    ]  # fmt: skip
    assert accept.known_parts("sd_text_encoders", "t5xxl,clip_l", encoders) == "t5xxl.safetensors, clip_l.safetensors"
    with pytest.raises(UnknownName) as refused:
        accept.known_parts("sd_vae", "gone", vaes)
    assert refused.value.field == "sd_vae"
