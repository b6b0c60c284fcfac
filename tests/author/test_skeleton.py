"""What `extensions new` writes: a whole extension under the name that is asked for, or nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from webui.author import check as checking
from webui.author.skeleton import KINDS, write_skeleton
from webui.author.source_rules import faults_of
from webui.core.errors import Conflict, DarkroomError, InvalidField
from webui.extend.testing import studio_with
from webui.plugins.loader import Process, load_plugins
from webui.plugins.manifest import read_manifest


def test_it_frames_the_starters_picture_under_its_own_name(tmp_path: Path) -> None:
    folder = write_skeleton("my-frame", tmp_path)
    assert read_manifest(folder).title == "My frame"
    assert (folder / "tests" / "test_my_frame.py").is_file()
    with studio_with(folder) as studio:
        (framed,) = studio.make(steps=2, extensions={"my-frame": {"frame": 4, "colour": "black"}})
        assert framed.image.size == (136, 136) and framed.image.getpixel((3, 3)) == (0, 0, 0)
        with pytest.raises(DarkroomError, match="Frame"):
            studio.make(steps=2, extensions={"my-frame": {"frame": 65}})


@pytest.mark.parametrize("name", ["", "..", "../x", "My-Frame", "a b", "-a", "a" * 200, "ä"])
def test_a_name_that_cannot_be_writes_nothing(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidField, match="name"):
        write_skeleton(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_kept(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "worker.py").write_text("mine")
    with pytest.raises(Conflict, match="there already"):
        write_skeleton("mine", tmp_path)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["worker.py"]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_keeps_to_the_contract(tmp_path: Path, kind: str) -> None:
    folder = write_skeleton("my-thing", tmp_path, kind)
    assert faults_of(folder, read_manifest(folder)) == []
    assert not [
        path for path in folder.rglob("*") if path.is_file() and "$" in path.read_text("utf-8").replace("${", "")
    ]
    processes: tuple[Process, ...] = ("web", "worker")
    for process in processes:
        (report,) = load_plugins([folder], process).reports
        assert report.ok, report


def test_the_tests_of_all_kinds_pass(tmp_path: Path) -> None:
    for kind in KINDS:
        write_skeleton(f"my-{kind}", tmp_path, kind)
    # Together: most of the time goes by until pytest has loaded what they need.
    found = checking._tests(tmp_path)
    assert found.outcome == "ok", found.details
    assert int(found.details.splitlines()[-1].split()[0]) >= len(KINDS)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "filter"])
def test_each_kind_passes_its_check(tmp_path: Path, kind: str) -> None:
    folder = write_skeleton("my-thing", tmp_path, kind)
    wrong = [finding for finding in checking.check(folder) if finding.outcome != "ok"]
    assert not wrong
