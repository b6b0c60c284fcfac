"""What there is to choose from, over HTTP."""

from __future__ import annotations

import pytest

from tests import shams
from tests.conftest import SHAM_NAME
from tests.web.helpers import Site
from webui.core.fields import ROWS
from webui.plugins import installed


def test_samplers_and_schedulers_are_the_registrys(alone: Site) -> None:
    registry = alone.house.service.registry
    client = alone.client()
    samplers = client.get("/api/v1/samplers").json()["samplers"]
    assert [row["name"] for row in samplers] == registry.samplers.names()
    assert next(row for row in samplers if row["name"] == "Heun")["order"] == 2
    # Nothing is promised that no request could ask for.
    told = {"name", "aliases", "schedule", "order", "options", "group", "package", "available", "reason"}
    assert set(samplers[0]) == told
    assert {option for row in samplers for option in row["options"]} < {row.name for row in ROWS}
    names = [row["name"] for row in client.get("/api/v1/schedulers").json()["schedulers"]]
    assert names == registry.schedules.names()


def test_a_sampler_whose_package_is_missing_says_so_and_is_refused(
    alone: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installed, "find_spec", lambda name: None)
    rows = {row["package"]: row for row in alone.client().get("/api/v1/samplers").json()["samplers"]}
    assert set(rows) == {"", "scipy", "torchsde"} and rows[""]["available"] and rows[""]["reason"] == ""
    assert not rows["torchsde"]["available"]
    assert rows["torchsde"]["reason"] == "the package torchsde is not installed"
    answer = alone.client().post("/api/v1/jobs", json={"prompt": "x", "sampler_name": rows["torchsde"]["name"]})
    assert answer.status_code == 422 and answer.json()["field"] == "sampler_name"
    assert "the package torchsde is not installed" in answer.json()["detail"]


def test_attention_backends_say_why_they_cannot_serve(alone: Site) -> None:
    rows = alone.client().get("/api/v1/attention").json()["attention"]
    assert [row["name"] for row in rows] == alone.house.service.registry.attention.names()
    known = {row["name"]: (row["available"], row["reason"]) for row in rows}
    # The worker of these tests says that it computes on the CPU.
    assert known["sdpa"] == known["sub-quadratic"] == (True, "")
    assert known["xformers"] == (False, "it needs a CUDA or ROCm card, and this is the CPU")


def test_checkpoints_carry_what_suits_them(alone: Site) -> None:
    (sham,) = alone.client().get("/api/v1/checkpoints").json()["checkpoints"]
    assert sham["name"] == SHAM_NAME and sham["problem"] is None
    assert (sham["defaults"]["width"], sham["defaults"]["steps"]) == (64, 4)
    assert sham["examples"] == ["a red circle"] and sham["sizes"]
    assert str(alone.home) not in str(sham)


def test_checkpoints_say_what_they_are_and_are_made_of(alone: Site) -> None:
    (sham,) = alone.client().get("/api/v1/checkpoints").json()["checkpoints"]
    assert (sham["family"], sham["family_title"], sham["variant"]) == ("sd1", "Stable Diffusion 1", "")
    assert (sham["format"], sham["precision"], sham["missing"]) == ("diffusers", "fp16", [])
    assert sham["size_bytes"] > 0 and sham["card"] == {}
    assert [part["part"] for part in sham["parts"]] == ["unet", "vae", "text_encoder"]
    unet = sham["parts"][0]
    assert (unet["role"], unet["title"], unet["parameters"]) == ("denoiser", "UNet of Stable Diffusion", 32)
    assert unet["file"] is None


def test_the_folder_for_further_checkpoints_is_told_to_the_owner_alone(alone: Site) -> None:
    folder = str(alone.home / "models" / "Stable-diffusion")
    assert alone.client().get("/api/v1/checkpoints").json()["folder"] == folder
    assert alone.client().post("/api/v1/checkpoints/refresh").json()["folder"] == folder
    visitor = alone.client(**{"X-Forwarded-For": "203.0.113.7"}).get("/api/v1/checkpoints")
    assert visitor.json()["folder"] is None and str(alone.home) not in visitor.text


def test_a_broken_checkpoint_is_shown_to_the_owner_with_its_reason(alone: Site) -> None:
    broken = alone.home / "models" / "Stable-diffusion" / "cut.safetensors"
    broken.write_bytes(b"\x10")
    try:
        found = alone.client().post("/api/v1/checkpoints/refresh").json()["checkpoints"]
        (cut,) = [row for row in found if row["name"].startswith("cut")]
        assert cut["problem"] and cut["defaults"] == {} and cut["parts"] == [] and cut["format"] == "safetensors"
        visitor = alone.client(**{"X-Forwarded-For": "203.0.113.7"})
        assert "cut" not in visitor.get("/api/v1/checkpoints").text
        refused = alone.client().post("/api/v1/jobs", json={"checkpoint": "cut"})
        assert refused.status_code == 422 and refused.json()["field"] == "checkpoint"
    finally:
        broken.unlink()
        alone.client().post("/api/v1/checkpoints/refresh")


def test_fields_are_the_rows_with_their_choices(alone: Site) -> None:
    fields = {row["name"]: row for row in alone.client().get("/api/v1/fields").json()["fields"]}
    assert list(fields) == [row.name for row in ROWS]
    assert (fields["steps"]["minimum"], fields["steps"]["maximum"], fields["steps"]["choices"]) == (1, 150, None)
    assert fields["sampler_name"]["choices"] == alone.house.service.registry.samplers.names()
    assert fields["checkpoint"]["choices"][0].startswith(SHAM_NAME)
    assert "sdpa" in fields["attention"]["choices"]


def test_tokens_and_infotext(alone: Site) -> None:
    client = alone.client()
    counted = client.post("/api/v1/tokens", json={"text": "a, a", "checkpoint": SHAM_NAME}).json()
    assert counted == {"tokens": 3, "limit": 75}
    for asked, tokens, limit in (
        ({"text": "(a:1.2), [a]"}, 3, 75),
        ({"text": "(a)", "emphasis": "None"}, 3, 75),
        ({"text": "a BREAK a"}, 76, 150),
        ({"text": "[a:a a a:0.5] <lora:x:1> # a"}, 3, 75),
        ({"text": "[a:a a a:15]", "steps": 10}, 1, 75),
        ({"text": "a # a", "enable_prompt_comments": False}, 3, 75),
        ({"text": "a AND a a"}, 2, 75),
        ({"text": "a AND a a", "negative": True}, 6, 75),
    ):
        counted = client.post("/api/v1/tokens", json={"checkpoint": SHAM_NAME, **asked}).json()
        assert counted == {"tokens": tokens, "limit": limit}, asked
    text = "a cat\nNegative prompt: dog\nSteps: 9, Sampler: Eulr, CFG scale: 5, Seed: 3, Size: 128x64, Odd: 1"
    read = client.post("/api/v1/infotext", json={"text": text}).json()
    assert read["values"] | {"steps": 9, "width": 128, "seed": 3, "prompt": "a cat"} == read["values"]
    assert read["unknown"]["Odd"] == "1" and read["unknown"]["Sampler"] == "Eulr"


def test_status_says_who_asks(alone: Site) -> None:
    status = alone.client().get("/api/v1/status").json()
    assert status["you"] == {"id": "owner", "level": "owner", "name": ""}
    assert status["worker"]["state"] == "ready" and status["queue"]["paused"] is False
    assert "live_previews_enable" in status["settings"]


def test_status_shows_every_worker_and_what_it_does(alone: Site) -> None:
    (worker,) = alone.client().get("/api/v1/status").json()["workers"]
    assert worker == alone.client().get("/api/v1/status").json()["worker"]
    assert (worker["device"], worker["state"], worker["jobs"]) == ("Fake device", "ready", 0)
    assert worker["free_bytes"] is None and worker["total_bytes"] is None


def test_modules_are_what_checkpoints_may_lack_and_say_which_take_them(alone: Site) -> None:
    models = alone.home / "models"
    files = [
        shams.write(models / "VAE" / "ae.safetensors", ("", shams.vae(16))),
        shams.write(models / "VAE" / "mse.safetensors", ("", shams.vae(4))),
        shams.write(models / "text_encoder" / "clip_l.safetensors", ("", shams.clip())),
        models / "VAE" / "cut.safetensors",
    ]
    files[-1].write_bytes(b"\x10")
    visitor = alone.client(**{"X-Forwarded-For": "203.0.113.7"})
    try:
        alone.client().post("/api/v1/checkpoints/refresh")
        found = {row["name"]: row for row in alone.client().get("/api/v1/modules").json()["modules"]}
        assert list(found) == ["ae.safetensors", "cut.safetensors", "mse.safetensors", "clip_l.safetensors"]
        ae = found["ae.safetensors"]
        assert (ae["role"], ae["title"], ae["precision"], ae["problem"]) == ("vae", "Autoencoder", "fp16", None)
        assert {"flux", "sd3", "z-image"} <= set(ae["fits"]) and "sd1" not in ae["fits"] and ae["size_bytes"] > 0
        assert {"sd1", "sdxl"} <= set(found["mse.safetensors"]["fits"])
        assert found["clip_l.safetensors"]["role"] == "text_encoder" and "flux" in found["clip_l.safetensors"]["fits"]
        assert found["cut.safetensors"]["problem"] and str(alone.home) not in str(found)
        assert "cut" not in visitor.get("/api/v1/modules").text
        choices = {row["name"]: row["choices"] for row in visitor.get("/api/v1/fields").json()["fields"]}
        assert choices["vae"] == ["Automatic", "None", "ae.safetensors", "mse.safetensors"]
        refused = alone.client().post("/api/v1/jobs", json={"vae": "ae"})
        assert (refused.status_code, refused.json()["field"]) == (422, "vae") and "does not fit" in refused.text
        job = alone.client().post("/api/v1/jobs", json={"prompt": "a", "vae": "mse"}).json()
        assert job["request"]["vae"] == "mse.safetensors" and len(job["request"]["vae_hash"]) == 64
    finally:
        for file in files:
            file.unlink()
        alone.client().post("/api/v1/checkpoints/refresh")


def test_a_checkpoint_says_what_it_knows_of_the_fields(alone: Site) -> None:
    (sham,) = alone.client().get("/api/v1/checkpoints").json()["checkpoints"]
    assert sham["abilities"] == ["cfg", "clip_skip", "refiner", "noise", "hires", "precision"]
    assert sham["unknown_fields"] == ["distilled_cfg_scale"]
    registry = alone.house.service.registry
    assert (sham["samplers"], sham["schedulers"]) == (registry.samplers.names(), registry.schedules.names())
    rows = alone.client().get("/api/v1/fields").json()["fields"]
    fields = {row["name"]: row["abilities"] for row in rows}
    choices = {row["name"]: row["choices"] for row in rows}
    assert choices["vae_precision"] == ["Automatic", "fp32", "fp16", "bf16", "fp8"] and choices["steps"] is None
    assert fields["cfg_scale"] == ["cfg", "cfg_scale"] and fields["steps"] == []
