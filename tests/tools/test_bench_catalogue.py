"""The bench's part about listing: its files are what the catalogue takes for models."""

from __future__ import annotations

from pathlib import Path

from tools.bench.catalogue import catalogue, write_models
from webui.core.model_folders import inside_models
from webui.engine.checkpoints.catalogue import Catalogue


def test_its_files_are_models_of_two_families(tmp_path: Path) -> None:
    write_models(tmp_path, 4)
    found = Catalogue(inside_models(tmp_path)).all()
    assert [(c.family, c.problem) for c in found] == [("sd1", None), ("sdxl", None)] * 2
    assert len({c.hash for c in found}) == 4


def test_it_measures_both_starts(tmp_path: Path) -> None:
    first, beside, second, *_ = catalogue(tmp_path, files=2)
    assert first.value and beside.value and second.value and second.value < first.value
    assert second.bar == beside.bar == "at most 1" and second.met and beside.met
