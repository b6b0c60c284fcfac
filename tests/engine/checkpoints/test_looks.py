"""Each file is looked at once: what was found is remembered over restarts, until it or the recognisers change."""

import json
import shutil
import sqlite3
import time
from dataclasses import replace
from pathlib import Path

import pytest

from webui.core.errors import UnknownName
from webui.core.registry import Architecture
from webui.engine.checkpoints import looks
from webui.engine.checkpoints.architectures.base import Form
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.checkpoints.identify import Kinds, examine
from webui.engine.checkpoints.looks import version_of
from webui.engine.checkpoints.table import FILE, ModelTable


@pytest.fixture
def looked(monkeypatch):
    """The paths that were looked into, in order."""
    paths = []

    def watched(path, kinds):
        paths.append(path.name)
        return examine(path, kinds)

    monkeypatch.setattr(looks, "examine", watched)
    return paths


def test_a_second_start_looks_into_nothing_and_finds_the_same(put, tmp_path, looked):
    put("whole", tmp_path / "m" / "a.safetensors")
    put("xl", tmp_path / "m" / "b.safetensors")
    (tmp_path / "m" / "c.safetensors").write_bytes(b"\x10")
    first = Catalogue((tmp_path / "m",), tmp_path / "state").all()
    assert looked == ["a.safetensors", "b.safetensors", "c.safetensors"]
    second = Catalogue((tmp_path / "m",), tmp_path / "state").all()
    assert len(looked) == 3
    assert second == first


def test_a_changed_file_is_looked_at_again_and_no_other(put, tmp_path, looked):
    put("whole", tmp_path / "m" / "a.safetensors")
    path = put("whole", tmp_path / "m" / "b.safetensors")
    catalogue = Catalogue((tmp_path / "m",), tmp_path / "state", look_seconds=0)
    looked.clear()
    path.write_bytes(path.read_bytes()[:-1])
    assert "cut off" in catalogue.find("b").problem and looked == ["b.safetensors"]
    assert "cut off" in Catalogue((tmp_path / "m",), tmp_path / "state").find("b").problem
    assert looked == ["b.safetensors"]


def test_a_folder_is_looked_at_again_when_any_of_its_files_changes(tiny_checkpoint, tmp_path, looked):
    folder = tmp_path / "m" / "f"
    shutil.copytree(tiny_checkpoint, folder)
    before = Catalogue((tmp_path / "m",), tmp_path / "state").get("f")
    assert Catalogue((tmp_path / "m",), tmp_path / "state").get("f") == before and looked == ["f"]
    config = folder / "scheduler" / "scheduler_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"prediction_type": "v_prediction"}))
    after = Catalogue((tmp_path / "m",), tmp_path / "state").get("f")
    assert after.prediction_type == "v_prediction" and looked == ["f", "f"]


def strange(names, config=None):
    """Recognises what no built-in row does."""
    return Form("x", {"n": len(names)}, {"odd": {1}}) if "a" in names else None


def test_other_rows_make_what_was_found_void(put, tmp_path, looked):
    put("whole", tmp_path / "m" / "a.safetensors")
    kinds = Kinds.built_in()
    row = Architecture("odd", "Odd network", "denoiser", f"{__name__}:strange", "x:y", {})
    more = replace(kinds, architectures=(*kinds.architectures, row))
    assert version_of(kinds) == version_of(Kinds.built_in()) != version_of(more)
    changed = replace(
        kinds, families=(replace(kinds.families[0], needs=kinds.families[0].needs[:1]), *kinds.families[1:])
    )
    assert version_of(changed) != version_of(kinds)
    Catalogue((tmp_path / "m",), tmp_path / "state", kinds=kinds)
    Catalogue((tmp_path / "m",), tmp_path / "state", kinds=more)
    assert looked == ["a.safetensors"] * 2


def test_damaged_memories_are_looked_at_again(put, tmp_path, looked):
    put("whole", tmp_path / "m" / "a.safetensors")
    first = Catalogue((tmp_path / "m",), tmp_path / "state").all()
    connection = sqlite3.connect(tmp_path / "state" / FILE)
    connection.execute("UPDATE looks SET found = '{\"parts\": [3]}'")
    connection.commit()
    connection.close()
    assert Catalogue((tmp_path / "m",), tmp_path / "state").all() == first
    assert looked == ["a.safetensors"] * 2


def test_what_is_gone_is_forgotten(put, tmp_path):
    path = put("whole", tmp_path / "m" / "a.safetensors")
    Catalogue((tmp_path / "m",), tmp_path / "state")
    path.unlink()
    put("whole", tmp_path / "m" / "b.safetensors")
    Catalogue((tmp_path / "m",), tmp_path / "state")
    kept = ModelTable(tmp_path / "state").looks(version_of(Kinds.built_in()))
    assert list(kept) == [str(tmp_path / "m" / "b.safetensors")]


def test_who_has_no_patience_is_given_the_rest_later(put, tmp_path, looked):
    for number in range(5):
        put("whole", tmp_path / "m" / f"{number}.safetensors")
    catalogue = Catalogue((tmp_path / "m",), tmp_path / "state", patience=0.0, look_seconds=600)
    assert len(catalogue.all()) < 5
    # Each further look has no more patience, but the first file of each is always looked into.
    deadline = time.monotonic() + 30
    while len(catalogue.all()) < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(catalogue.all()) == 5 and sorted(looked) == [f"{number}.safetensors" for number in range(5)]


@pytest.mark.parametrize("title", ["4", "4.safetensors", "sub/9.safetensors", "4.safetensors [0123456789]"])
def test_what_is_asked_for_by_name_is_looked_into_before_the_rest(put, tmp_path, looked, monkeypatch, title):
    monkeypatch.setattr(Catalogue, "_look_on", lambda catalogue: None)  # The look behind has not come yet.
    for number in range(5):
        put("whole", tmp_path / "m" / f"{number}.safetensors")
    put("whole", tmp_path / "m" / "sub" / "9.safetensors")
    catalogue = Catalogue((tmp_path / "m",), tmp_path / "state", patience=0.0, look_seconds=600)
    assert looked == ["0.safetensors"]
    found = catalogue.find(title)
    assert Path(found.name).stem == title.partition(".")[0].rpartition("/")[2] and not found.problem
    assert len(looked) < 6, "the rest waits for the look behind"
    with pytest.raises(UnknownName, match="'gone'"):
        catalogue.find("gone")
