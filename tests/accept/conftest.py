"""A house of three kinds of checkpoints, and requests as acceptance makes them of values and settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests import shams
from tests.conftest import make_sham
from webui import accept
from webui.core import infotext
from webui.core.fields import ROWS
from webui.core.model_folders import inside_models
from webui.core.registry import Registry
from webui.core.request import GenerationRequest
from webui.core.settings import Settings
from webui.engine.checkpoints.catalogue import Catalogue


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    """An ordinary checkpoint 'sham', the flow model 'flux-dev', and 'sana', which diffusers runs by itself."""
    models = tmp_path / "models"
    make_sham(models / "Stable-diffusion" / "sham")
    shams.write_flux_house(models)
    shams.write_sana(models / "Stable-diffusion" / "sana")
    return Catalogue(inside_models(models), look_seconds=0)


@pytest.fixture
def accepted(catalogue: Catalogue, registry: Registry) -> Any:
    """accepted(settings, field=value, ...): the request that these values become."""

    def make(settings: dict[str, Any] | None = None, **values: Any) -> GenerationRequest:
        return accept.resolve({"checkpoint": "sham", **values}, registry, catalogue, Settings(**settings or {}), ROWS)

    return make


@pytest.fixture
def read(catalogue: Catalogue, registry: Registry) -> Any:
    """read(text): the values that a picture's text means here."""
    return lambda text: accept.canonical(infotext.parse(text), registry, catalogue).values
