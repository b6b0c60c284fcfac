"""Acceptance of Hires. fix: names as this installation has them, another checkpoint by its hash, what cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import make_sham
from webui import accept
from webui.core import infotext
from webui.core.errors import DarkroomError
from webui.core.fields import ROWS
from webui.core.model_folders import inside_models
from webui.core.registry import Registry
from webui.core.request import GenerationRequest
from webui.core.settings import Settings
from webui.engine.checkpoints.accepted import find_accepted
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.checkpoints.second_pass import second_files


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    folder = tmp_path / "models"
    for name in ("base", "fine"):
        make_sham(folder / "Stable-diffusion" / name)
    return Catalogue(inside_models(folder), look_seconds=0)


@pytest.fixture
def accepted(catalogue: Catalogue, registry: Registry) -> Any:
    def make(**values: Any) -> GenerationRequest:
        return accept.resolve({"checkpoint": "base", **values}, registry, catalogue, Settings(), ROWS)

    return make


def test_names_are_made_canonical_and_it_is_the_same_when_sent_back(accepted: Any) -> None:
    made = accepted(enable_hr=True, hr_upscaler="lanczos", hr_sampler_name="k_dpmpp_2m_ka", hr_checkpoint_name="None")
    assert made.hires.hr_upscaler == "Lanczos"
    assert (made.hires.hr_sampler_name, made.hires.hr_scheduler) == ("DPM++ 2M", "Karras")
    assert (made.hires.hr_checkpoint_name, made.hires.hr_checkpoint_hash) == ("Use same checkpoint", "")
    assert accepted(**made.to_json()) == made


def test_another_checkpoint_is_kept_by_its_hash_and_found(
    accepted: Any, catalogue: Catalogue, registry: Registry
) -> None:
    made = accepted(hires={"hr_checkpoint_name": "FINE"})
    fine = catalogue.get("fine")
    assert (made.hires.hr_checkpoint_name, made.hires.hr_checkpoint_hash) == (fine.title, fine.hash)
    assert made.models == (made.checkpoint, fine.title)
    files = second_files(made)
    assert files is not None and find_accepted(catalogue, files).path == fine.path
    read = accept.canonical(infotext.parse(infotext.write(made)), registry, catalogue).values
    assert read["hr_checkpoint_name"] == fine.title
    assert accepted(hires={"hr_checkpoint_name": "base"}).hires.hr_checkpoint_hash == ""


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"hr_upscaler": "Latnt"}, "hr_upscaler"),
        ({"hr_sampler_name": "Eulr"}, "hr_sampler_name"),
        ({"hr_scheduler": "Karas"}, "hr_scheduler"),
        ({"hr_checkpoint_name": "nobody"}, "hr_checkpoint_name"),
        ({"hr_cfg": 0.5}, "hr_cfg"),
        ({"hr_checkpoint_name": "fine", "hr_checkpoint_hash": "0" * 64}, "hr_checkpoint_name"),
    ],
)
def test_what_is_not_there_names_its_field(accepted: Any, values: dict[str, Any], field: str) -> None:
    with pytest.raises(DarkroomError) as caught:
        accepted(hires=values)
    assert caught.value.field == field


def test_options_that_only_its_sampler_reads_are_kept(accepted: Any) -> None:
    options = {"sampler_name": "DPM++ 2M", "eta": 0.5, "eta_noise_seed_delta": 31337}
    plain = accepted(**options)
    assert (plain.eta, plain.eta_noise_seed_delta) == (1.0, 0)
    made = accepted(**options, hires={"hr_sampler_name": "Euler a"})
    assert (made.eta, made.eta_noise_seed_delta) == (0.5, 31337)


def test_a_refiner_is_one_for_the_second_passs_checkpoint(accepted: Any, catalogue: Catalogue) -> None:
    own = {"hr_checkpoint_name": "fine", "hr_upscaler": "Lanczos"}
    # The first pass's checkpoint may be it where the second has another; the second's own is none.
    assert accepted(hires=own, refiner_checkpoint="base").refiner_checkpoint == catalogue.get("base").title
    assert accepted(hires=own, refiner_checkpoint="fine").refiner_checkpoint == "None"
    assert accepted(refiner_checkpoint="base").refiner_checkpoint == "None"


def test_off_a_bogus_upscaler_does_not_matter(accepted: Any) -> None:
    assert accepted(enable_hr=False, hr_upscaler="bogus", denoising_strength=None).hires is None
