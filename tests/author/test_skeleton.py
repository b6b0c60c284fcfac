"""What `extensions new` writes: a whole extension under the name that is asked for, or nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from webui.author.skeleton import write_skeleton
from webui.core.errors import Conflict, DarkroomError, InvalidField
from webui.extend.testing import studio_with
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
