"""Acceptance of a refiner: named, hashed, refused where it cannot go on, and left out where it would not count."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests import shams
from tests.conftest import make_sham
from webui import accept
from webui.core import infotext
from webui.core.errors import DarkroomError
from webui.core.fields import ROWS
from webui.core.model_folders import inside_models
from webui.core.registry import Registry
from webui.core.request import GenerationRequest
from webui.core.settings import Settings
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.checkpoints.refining import find_refiner


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    folder = tmp_path / "models"
    for name in ("base", "fine"):
        make_sham(folder / "Stable-diffusion" / name)
    shams.write_flux_house(folder)
    return Catalogue(inside_models(folder), look_seconds=0)


@pytest.fixture
def accepted(catalogue: Catalogue, registry: Registry) -> Any:
    def make(**values: Any) -> GenerationRequest:
        return accept.resolve({"checkpoint": "base", **values}, registry, catalogue, Settings(), ROWS)

    return make


def test_it_is_stored_by_title_and_hash_and_found_again(
    accepted: Any, catalogue: Catalogue, registry: Registry
) -> None:
    made = accepted(refiner_checkpoint="FINE", refiner_switch_at=0.6)
    fine = catalogue.get("fine")
    assert (made.refiner_checkpoint, made.refiner_hash) == (fine.title, fine.hash) and fine.hash
    assert accepted(**made.to_json()) == made, "sent back as it is, it is the same"
    found = find_refiner(catalogue, made)
    assert found is not None and found.path == fine.path
    text = infotext.write(made)
    assert f"Refiner: fine [{fine.hash[:10]}], Refiner switch at: 0.6" in text
    read = accept.canonical(infotext.parse(text), registry, catalogue)
    assert (read.values["refiner_checkpoint"], read.values["refiner_switch_at"]) == (fine.title, 0.6)


def test_a_picture_that_names_none_takes_the_forms_away(registry: Registry, catalogue: Catalogue) -> None:
    for text in ("a\nSteps: 3, Sampler: Euler, Seed: 1", "a\nSteps: 3, Sampler: Euler, Refiner: gone [0123456789]"):
        read = accept.canonical(infotext.parse(text), registry, catalogue)
        assert read.values["refiner_checkpoint"] == "None"
    assert "refiner_checkpoint" not in accept.canonical(infotext.parse("only a prompt"), registry, catalogue).values


@pytest.mark.parametrize("name", ["", "None", "none", "base"])
def test_none_is_none_however_it_is_said(accepted: Any, name: str) -> None:
    made = accepted(refiner_checkpoint=name, refiner_switch_at=0.3)
    assert made == accepted(seed=made.seed) and "Refiner" not in infotext.write(made)


def test_one_that_never_takes_over_is_none(accepted: Any) -> None:
    made = accepted(refiner_checkpoint="fine", refiner_switch_at=1.0)
    assert made == accepted(seed=made.seed)


@pytest.mark.parametrize(
    "values, said",
    [
        ({"refiner_checkpoint": "flux-dev"}, "latents of base"),
        ({"refiner_checkpoint": "fin"}, "fine"),
        ({"refiner_checkpoint": "fine", "refiner_hash": "0" * 64}, "0000000000"),
    ],
)
def test_what_cannot_be_is_told_of_its_own_field(accepted: Any, values: dict[str, Any], said: str) -> None:
    with pytest.raises(DarkroomError) as caught:
        accepted(**values)
    assert caught.value.field == "refiner_checkpoint" and said in " ".join(caught.value.lines())
