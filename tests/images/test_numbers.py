"""Numbers that a killed process left reserved become free, those of others and those still needed do not."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import pytest

from webui.core.errors import StorageProblem
from webui.images.numbers import Numbers
from webui.images.store import PictureStore

WHEN = 1_780_000_000.0


def hidden(outputs: Path) -> list[str]:
    return sorted(file.name for file in outputs.rglob(".*") if file.is_file())


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    return tmp_path / "outputs"


def test_a_sweep_frees_what_no_row_knows(outputs: Path) -> None:
    store = PictureStore(outputs, owner="here")
    kept, lost = store.reserve("txt2img", [7, 8], WHEN)
    part = store.path(lost).with_name(f".{store.path(lost).name}.part")
    part.write_bytes(b"half a picture")
    assert store.sweep([kept], since=0) == 1
    assert hidden(outputs) == [".00001.reserved"]
    assert store.reserve("txt2img", [9], WHEN) == [lost.replace("-8.png", "-9.png")]


def test_a_sweep_leaves_other_databases_numbers_alone(outputs: Path) -> None:
    PictureStore(outputs, owner="there").reserve("txt2img", [7], WHEN)
    assert PictureStore(outputs, owner="here").sweep([], since=0) == 0
    assert hidden(outputs) == [".00001.reserved"]


def test_a_reservation_that_holds_anything_stops_neither_a_sweep_nor_a_picture(outputs: Path) -> None:
    store = PictureStore(outputs, owner="here")
    (path,) = store.reserve("txt2img", [7], WHEN)
    store.path(path).with_name(".00001.reserved").write_bytes(b"\xff\xfe\0")
    assert store.sweep([], since=0) == 0
    store.path(path).write_bytes(b"a stranger's")
    with pytest.raises(StorageProblem, match="already has the name"):
        store.save(path, b"PNG")
    assert store.path(path).read_bytes() == b"a stranger's"


def test_a_picture_is_saved_to_a_number_that_a_sweep_kept(outputs: Path) -> None:
    store = PictureStore(outputs, owner="here")
    (path,) = store.reserve("txt2img", [7], WHEN)
    store.sweep([path], since=0)
    store.save(path, b"PNG")
    assert store.path(path).read_bytes() == b"PNG"
    assert hidden(outputs) == []


def test_where_not_all_numbers_can_be_taken_none_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def write(file: int, data: bytes) -> int:
        calls.append(file)
        if len(calls) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        return len(data)

    monkeypatch.setattr("webui.images.numbers.os.write", write)
    with pytest.raises(OSError, match="No space"):
        Numbers(tmp_path, tmp_path / "bin", owner="here").take(4)
    assert len(calls) == 3 and list(tmp_path.iterdir()) == []


def test_folders_that_have_not_changed_are_not_looked_into(outputs: Path) -> None:
    store = PictureStore(outputs, owner="here")
    (path,) = store.reserve("txt2img", [7], WHEN)
    assert store.sweep([], since=time.time() + 60) == 0
    assert store.path(path).with_name(".00001.reserved").exists()


def test_a_reservation_whose_process_died_before_it_had_a_name_is_freed_later(tmp_path: Path) -> None:
    numbers = Numbers(tmp_path, tmp_path / "bin", owner="here")
    reservation = tmp_path / ".00001.reserved"
    reservation.touch()
    assert numbers.sweep(()) == 0, "its process may be about to name it"
    os.utime(reservation, (WHEN, WHEN))
    assert numbers.sweep(()) == 1
    assert not reservation.exists()
