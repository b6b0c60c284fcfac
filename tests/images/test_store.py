"""The picture store: numbers between processes, files whole or absent, full and forbidden disks, the bin."""

from __future__ import annotations

import errno
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from webui.core.errors import BadPicture, NotFound, StorageProblem, TransientStorageProblem
from webui.images import store as store_module
from webui.images.metadata import write_png
from webui.images.numbers import Numbers
from webui.images.store import PictureStore

PNG = write_png(Image.effect_noise((300, 200), 60).convert("RGB"), "words")
WHEN = time.mktime((2026, 11, 25, 12, 0, 0, 0, 0, -1))
FOLDER = "txt2img-images/2026-11-25"


@pytest.fixture
def store(tmp_path: Path) -> PictureStore:
    return PictureStore(tmp_path / "outputs", owner="here")


def names(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_paths_are_named_as_a1111_does(store: PictureStore) -> None:
    assert store.reserve("txt2img", [7, 8], WHEN) == [f"{FOLDER}/00001-7.png", f"{FOLDER}/00002-8.png"]
    assert store.reserve("img2img", [7], WHEN) == ["img2img-images/2026-11-25/00001-7.png"]


def test_a_reservation_looks_like_no_picture(store: PictureStore, tmp_path: Path) -> None:
    store.reserve("txt2img", [7], WHEN)
    assert [p for p in names(tmp_path) if not Path(p).name.startswith(".")] == []


def test_numbers_go_on_from_what_is_there(store: PictureStore, tmp_path: Path) -> None:
    folder = tmp_path / "outputs" / FOLDER
    folder.mkdir(parents=True)
    (folder / "00041-3.png").write_bytes(PNG)
    (folder / "123456-3.jpg").write_bytes(PNG)
    (folder / "grid-0007.png").write_bytes(PNG)
    assert store.reserve("txt2img", [1], WHEN) == [f"{FOLDER}/123457-1.png"]


def test_a_released_number_is_free_and_a_saved_one_is_not(store: PictureStore) -> None:
    first, second = store.reserve("txt2img", [1, 2], WHEN)
    store.save(first, PNG)
    store.release(second)
    store.release(second)
    store.release(first)
    assert store.path(first).read_bytes() == PNG
    assert store.reserve("txt2img", [3], WHEN) == [f"{FOLDER}/00002-3.png"]


def test_saving_leaves_the_picture_and_nothing_else(store: PictureStore, tmp_path: Path) -> None:
    (relpath,) = store.reserve("txt2img", [7], WHEN)
    store.save(relpath, PNG)
    assert names(tmp_path) == [f"outputs/{relpath}"]
    assert store.path(relpath).read_bytes() == PNG


def test_saving_again_replaces_the_own_picture(store: PictureStore, tmp_path: Path) -> None:
    (relpath,) = store.reserve("txt2img", [7], WHEN)
    store.save(relpath, b"first")
    store.save(relpath, PNG)
    assert store.path(relpath).read_bytes() == PNG
    assert names(tmp_path) == [f"outputs/{relpath}"]


def test_a_crash_between_rename_and_the_end_can_be_repeated(
    store: PictureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    (relpath,) = store.reserve("txt2img", [7], WHEN)

    def crash(folder: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(store_module, "_sync_folder", crash)
        store.save(relpath, b"the same picture")
    assert store.path(relpath).exists()
    store.save(relpath, b"the same picture, other bytes")
    assert store.path(relpath).read_bytes() == b"the same picture, other bytes"


def test_a_strangers_file_is_never_overwritten(store: PictureStore) -> None:
    (relpath,) = store.reserve("txt2img", [7], WHEN)
    store.path(relpath).write_bytes(b"somebody else's")
    with pytest.raises(StorageProblem, match=r"something else already has the name '00001-7\.png'"):
        store.save(relpath, PNG)
    assert store.path(relpath).read_bytes() == b"somebody else's"


def test_a_stranger_who_comes_while_the_file_is_written_wins(
    store: PictureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    (relpath,) = store.reserve("txt2img", [7], WHEN)
    write = store_module._write

    def slow(path: Path, data: bytes) -> None:
        write(path, data)
        store.path(relpath).write_bytes(b"somebody else's")

    monkeypatch.setattr(store_module, "_write", slow)
    with pytest.raises(StorageProblem):
        store.save(relpath, PNG)
    assert store.path(relpath).read_bytes() == b"somebody else's"


def test_a_disk_without_hard_links_serves_too(
    store: PictureStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def no_links(source: object, target: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "no links here")

    monkeypatch.setattr(os, "link", no_links)
    (relpath,) = store.reserve("txt2img", [7], WHEN)
    store.save(relpath, PNG)
    assert names(tmp_path) == [f"outputs/{relpath}"]


def _take(outputs: str, count: int, barrier: object, results: object) -> None:
    # Each process saves and frees at once, so that a number is free again while others still look.
    here = PictureStore(Path(outputs), owner="here")
    barrier.wait()  # type: ignore[attr-defined]
    taken = []
    for number in range(count):
        for relpath in here.reserve("txt2img", [os.getpid()] * (1 + number % 2), WHEN):
            here.save(relpath, f"{os.getpid()} {relpath}".encode())
            taken.append(relpath)
    results.put(taken)  # type: ignore[attr-defined]


def test_numbers_never_collide_between_processes(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes, count = 4, 20
    barrier, results = context.Barrier(processes), context.Queue()
    workers = [
        context.Process(target=_take, args=(str(tmp_path), count, barrier, results), daemon=True)
        for _ in range(processes)
    ]
    for worker in workers:
        worker.start()
    taken = [relpath for _ in workers for relpath in results.get(timeout=120)]
    for worker in workers:
        worker.join(30)
    numbers = [re.match(r"(\d+)-", Path(relpath).name)[1] for relpath in taken]  # type: ignore[index]
    assert len(numbers) == processes * count * 3 // 2
    assert len(set(numbers)) == len(numbers)
    assert all((tmp_path / relpath).read_text().endswith(relpath) for relpath in taken)


def test_numbers_never_collide_between_threads(store: PictureStore) -> None:
    taken: list[str] = []

    def take() -> None:
        for _ in range(15):
            (relpath,) = store.reserve("txt2img", [1], WHEN)
            store.save(relpath, PNG[:100])
            taken.append(relpath)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == len(set(taken)) == 60


def test_a_number_saved_between_look_and_reservation_is_not_taken_again(
    store: PictureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = PictureStore(store.path("x").parent, owner="there")
    reserve = Numbers._reserve
    met: list[str] = []

    def late(numbers: Numbers, number: int) -> bool:
        if not met:
            met.append("")
            met[:] = other.reserve("txt2img", [9], WHEN)
            other.save(met[0], PNG)
        return reserve(numbers, number)

    monkeypatch.setattr(Numbers, "_reserve", late)
    (mine,) = store.reserve("txt2img", [1], WHEN)
    assert met == [f"{FOLDER}/00001-9.png"]
    assert mine == f"{FOLDER}/00002-1.png"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MB; skipped where none can be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if sys.platform != "linux" or mount is None or os.geteuid() != 0:
        pytest.skip("only root on Linux can mount a small disk")
    done = subprocess.run([mount, "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], capture_output=True)
    if done.returncode:
        pytest.skip("no disk can be mounted here")
    yield folder
    subprocess.run([shutil.which("umount") or "umount", str(folder)], check=True)


def test_a_full_disk_is_a_sentence_and_leaves_no_half_file(small_disk: Path) -> None:
    store = PictureStore(small_disk / "outputs", owner="here")
    first, second = store.reserve("txt2img", [1, 2], WHEN)
    store.check_writable()
    store.save(first, bytes(3_500_000))
    with pytest.raises(StorageProblem, match="is full") as caught:
        store.save(second, bytes(1_000_000))
    assert "Free some space" in caught.value.remedies[0]
    assert str(small_disk) not in caught.value.detail
    assert [n for n in names(small_disk) if "00002" in n] == [f"outputs/{FOLDER}/.00002.reserved"]
    assert store.path(first).stat().st_size == 3_500_000
    with pytest.raises(StorageProblem, match="is full"):
        store.check_writable()
    store.path(first).unlink()
    store.save(second, bytes(1_000_000))
    assert store.path(second).stat().st_size == 1_000_000


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "is full"), (errno.EACCES, "no right"), (errno.EROFS, "read-only"), (errno.EIO, "cannot be used")],
)
def test_an_error_of_the_disk_is_a_sentence(
    store: PictureStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: int, words: str
) -> None:
    (relpath,) = store.reserve("txt2img", [7], WHEN)

    def fail(handle: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StorageProblem, match=words) as caught:
        store.save(relpath, PNG)
    assert caught.value.remedies
    assert isinstance(caught.value, TransientStorageProblem) == (number == errno.ENOSPC), "only room comes back"
    assert not store.path(relpath).exists()
    assert names(tmp_path) == [f"outputs/{FOLDER}/.00001.reserved"]


@pytest.mark.parametrize("action", ["reserve", "check_writable"])
def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path, action: str) -> None:
    (tmp_path / "outputs").write_text("a file where the folder should be")
    store = PictureStore(tmp_path / "outputs", owner="here")
    with pytest.raises(StorageProblem, match="outputs"):
        store.reserve("txt2img", [1]) if action == "reserve" else store.check_writable()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_write_permission_is_a_sentence(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StorageProblem, match="no right"):
        PictureStore(tmp_path, owner="here").check_writable()


def test_checking_leaves_nothing_behind(store: PictureStore, tmp_path: Path) -> None:
    store.check_writable()
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    "relpath",
    [
        "../secret.png",
        "txt2img-images/../../secret.png",
        "/etc/passwd",
        "C:/Windows/win.ini",
        "a\\..\\b.png",
        ".bin/a.png",
        "a/.cache/b.png",
        "a\0b.png",
        "",
        "a//b.png",
        "a/" * 400 + "b.png",
        "link/secret.png",
    ],
)
def test_no_path_leads_out_of_the_folder(tmp_path: Path, relpath: str) -> None:
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    (tmp_path / "secret.png").write_bytes(PNG)
    (outputs / "link").symlink_to(tmp_path)
    store = PictureStore(outputs, owner="here")
    verbs = (store.path, store.release, lambda p: store.save(p, b"x"), store.to_bin, store.restore)
    for verb in (*verbs, lambda p: store.thumbnail(p, 64)):
        with pytest.raises(NotFound):
            verb(relpath)
    assert (tmp_path / "secret.png").read_bytes() == PNG


def test_the_outputs_folder_may_itself_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "outputs").symlink_to(tmp_path / "disk")
    store = PictureStore(tmp_path / "outputs", owner="here")
    (relpath,) = store.reserve("txt2img", [7], WHEN)
    store.save(relpath, PNG)
    assert (tmp_path / "disk" / relpath).read_bytes() == PNG


def test_thumbnails_fit_and_are_kept(store: PictureStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (relpath,) = store.reserve("txt2img", [7], WHEN)
    store.save(relpath, PNG)
    data = store.thumbnail(relpath, 100)
    path = tmp_path / "small.webp"
    path.write_bytes(data)
    with Image.open(path) as small:
        assert small.format == "WEBP" and small.size == (128, 85)
    monkeypatch.setattr("webui.images.thumbnails._shrink", None)
    assert store.thumbnail(relpath, 128) == data


def test_a_replaced_picture_gets_a_new_thumbnail(store: PictureStore) -> None:
    (relpath,) = store.reserve("txt2img", [7], WHEN)
    store.save(relpath, PNG)
    old = store.thumbnail(relpath, 64)
    store.save(relpath, write_png(Image.new("RGB", (64, 64), "red"), ""))
    assert store.thumbnail(relpath, 64) != old


def test_sizes_of_thumbnails_are_bounded(store: PictureStore, tmp_path: Path) -> None:
    (relpath,) = store.reserve("txt2img", [7], WHEN)
    store.save(relpath, PNG)
    for side in (-5, 0, 1, 63, 64, 65, 900, 5000, 10**9):
        store.thumbnail(relpath, side)
    assert len(names(tmp_path / "outputs" / ".cache")) == 3


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(store: PictureStore, tmp_path: Path) -> None:
    (relpath,) = store.reserve("txt2img", [7], WHEN)
    store.save(relpath, PNG)
    (tmp_path / "outputs" / ".cache").write_text("in the way")
    assert store.thumbnail(relpath, 64)[:4] == b"RIFF"


def test_a_missing_or_damaged_picture_has_no_thumbnail(store: PictureStore) -> None:
    (relpath,) = store.reserve("txt2img", [7], WHEN)
    with pytest.raises(NotFound):
        store.thumbnail(relpath, 64)
    store.save(relpath, PNG[:100])
    with pytest.raises(BadPicture):
        store.thumbnail(relpath, 64)


def test_the_bin_keeps_and_gives_back(store: PictureStore, tmp_path: Path) -> None:
    (relpath,) = store.reserve("txt2img", [7], WHEN)
    store.save(relpath, PNG)
    store.thumbnail(relpath, 64)
    assert store.to_bin(relpath) == relpath
    assert names(tmp_path) == [f"outputs/.bin/{relpath}"]
    assert store.to_bin(relpath) is None
    # Its number stays taken, so that it can come back.
    assert store.reserve("txt2img", [7], WHEN) == [f"{FOLDER}/00002-7.png"]
    store.restore(relpath)
    assert store.path(relpath).read_bytes() == PNG
    with pytest.raises(NotFound):
        store.restore(relpath)


def test_the_bin_holds_two_of_one_name_and_restores_over_nothing(store: PictureStore) -> None:
    (relpath,) = store.reserve("txt2img", [7], WHEN)
    store.save(relpath, b"one")
    assert store.to_bin(relpath) == relpath
    store.save(relpath, b"two")
    with pytest.raises(StorageProblem, match="something else"):
        store.restore(relpath)
    assert store.path(relpath).read_bytes() == b"two"
    other = store.to_bin(relpath)
    assert other and other != relpath
    store.restore(other)
    assert store.path(other).read_bytes() == b"two"
