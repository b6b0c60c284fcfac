"""The picture store after kills in the middle of saving, and on disks that can do less than others."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from webui.core.errors import StorageProblem
from webui.images import store as store_module
from webui.images.store import PictureStore

PNG = b"\x89PNG and all the rest"
WHEN = 1_780_000_000.0


@pytest.fixture
def store(tmp_path: Path) -> PictureStore:
    return PictureStore(tmp_path / "outputs", owner="here")


@pytest.mark.skipif(os.name == "nt", reason="no hard links are made there")
def test_a_kill_between_link_and_unlink_costs_the_finished_picture_nothing(
    store: PictureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    (relpath,) = store.reserve("txt2img", [7], WHEN)
    target = store.path(relpath)
    store.save(relpath, PNG)
    part = target.with_name(f".{target.name}.part")
    os.link(target, part)

    def killed(path: Path, data: bytes) -> None:
        path.open("wb").close()
        raise OSError(errno.ENOSPC, "no room in the middle of writing")

    monkeypatch.setattr(store_module, "_write", killed)
    with pytest.raises(StorageProblem):
        store.save(relpath, PNG)
    assert target.read_bytes() == PNG


@pytest.mark.skipif(os.name == "nt", reason="folders are not synced there")
@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_a_disk_that_syncs_no_folders_serves_too(
    store: PictureStore, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    real = os.fsync

    def only_files(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(number, os.strerror(number))
        real(handle)

    (relpath,) = store.reserve("txt2img", [7], WHEN)
    monkeypatch.setattr(os, "fsync", only_files)
    store.save(relpath, PNG)
    assert store.path(relpath).read_bytes() == PNG
