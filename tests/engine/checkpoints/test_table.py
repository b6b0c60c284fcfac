"""What is remembered of files: by size and time, over restarts, and without harm when its file is damaged or locked."""

import hashlib
import json
import os
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor

from webui.engine.checkpoints.hashes import HashCache, legacy_hash
from webui.engine.checkpoints.table import FILE, ModelTable


def weights(folder, data=b"one"):
    path = folder / "w.bin"
    path.write_bytes(data)
    return path


def computed(folder, path):
    """The hash of a file, computed and kept by a cache of its own."""
    cache = HashCache(ModelTable(folder))
    digest = cache.compute([path])
    cache.keep()
    return digest


def test_a_large_files_hash_is_kept_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr("webui.engine.checkpoints.hashes.SMALL_BYTES", 2)
    path = weights(tmp_path)
    digest = HashCache(ModelTable(tmp_path)).compute([path])
    assert HashCache(ModelTable(tmp_path)).known([path]) == digest


def test_hashes_are_kept_by_size_and_time(tmp_path):
    path = weights(tmp_path)
    first = computed(tmp_path, path)
    assert first == hashlib.sha256(b"one").hexdigest()
    assert HashCache(ModelTable(tmp_path)).known([path]) == first
    path.write_bytes(b"two")
    os.utime(path, ns=(time.time_ns(), time.time_ns() + 10**9))
    assert HashCache(ModelTable(tmp_path)).known([path]) is None
    assert computed(tmp_path, path) == hashlib.sha256(b"two").hexdigest()


def test_the_hashes_of_earlier_versions_are_taken_over(tmp_path):
    path = weights(tmp_path)
    stat = path.stat()
    old = tmp_path / "checkpoint-hashes.json"
    old.write_text(json.dumps({f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}": "ab" * 32}))
    assert HashCache(ModelTable(tmp_path)).known([path]) == "ab" * 32
    assert not old.exists()
    assert HashCache(ModelTable(tmp_path)).known([path]) == "ab" * 32


def test_hashes_under_a_link_were_kept_where_it_leads(tmp_path):
    (tmp_path / "disk").mkdir()
    path = weights(tmp_path / "disk")
    (tmp_path / "models").symlink_to(tmp_path / "disk")
    stat = path.stat()
    key = f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}"
    (tmp_path / "checkpoint-hashes.json").write_text(json.dumps({key: "cd" * 32}))
    assert HashCache(ModelTable(tmp_path)).known([tmp_path / "models" / "w.bin"]) == "cd" * 32


def test_a_damaged_file_of_earlier_versions_harms_nothing(tmp_path, caplog):
    (tmp_path / "checkpoint-hashes.json").write_text("{nonsense")
    path = weights(tmp_path)
    assert computed(tmp_path, path) == hashlib.sha256(b"one").hexdigest()
    assert HashCache(ModelTable(tmp_path)).known([path])
    assert "was damaged" in caplog.text


def test_a_damaged_table_is_set_aside(tmp_path, caplog):
    (tmp_path / FILE).write_bytes(b"no database " * 500)
    path = weights(tmp_path)
    digest = computed(tmp_path, path)
    assert HashCache(ModelTable(tmp_path)).known([path]) == digest
    assert list(tmp_path.glob(f"{FILE}.damaged-*"))
    assert "is damaged" in caplog.text


def test_a_table_damaged_in_the_middle_is_set_aside(tmp_path, caplog):
    table = ModelTable(tmp_path)
    table.keep_looks("1", {f"/{n}": ("s", "x" * 500) for n in range(500)})
    data = bytearray((tmp_path / FILE).read_bytes())
    data[5000:] = b"\xff" * (len(data) - 5000)
    (tmp_path / FILE).write_bytes(data)
    assert ModelTable(tmp_path).looks("1") == {}
    table.keep_looks("1", {"/a": ("s", "y")})
    assert ModelTable(tmp_path).looks("1") == {"/a": ("s", "y")}
    assert "is damaged" in caplog.text


def test_a_locked_table_is_done_without(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("webui.engine.checkpoints.table._WAIT_SECONDS", 0.05)
    table = ModelTable(tmp_path)
    table.keep_looks("1", {"/a": ("s", "{}")})
    holder = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    table.keep_looks("1", {"/b": ("s", "{}")})
    table.keep_looks("1", {"/c": ("s", "{}")})
    assert caplog.text.count("is locked") == 1
    assert table.looks("1") == {"/a": ("s", "{}")}, "reading waits for nobody"
    holder.execute("ROLLBACK")
    holder.close()


def test_what_another_version_of_the_recognisers_found_is_void(tmp_path):
    ModelTable(tmp_path).keep_looks("1", {"/a": ("s", "{}")})
    assert ModelTable(tmp_path).looks("2") == {}
    assert ModelTable(tmp_path).looks("1") == {"/a": ("s", "{}")}


def test_without_a_folder_nothing_is_kept():
    table = ModelTable(None)
    table.keep_looks("1", {"/a": ("s", "{}")})
    assert table.looks("1") == {} and table.hashes() == {}


def test_a_folder_that_cannot_be_made_is_said_and_harms_nothing(tmp_path, caplog):
    (tmp_path / "file").write_text("x")
    table = ModelTable(tmp_path / "file" / "state")
    table.keep_looks("1", {"/a": ("s", "{}")})
    assert table.looks("1") == {}
    assert "cannot be used" in caplog.text


def test_a1111s_old_hash_is_of_64_kib_at_1_mib(tmp_path):
    path = tmp_path / "m.ckpt"
    path.write_bytes(b"a" * 0x100000 + b"b" * 0x10000 + b"c" * 100)
    assert legacy_hash(path) == hashlib.sha256(b"b" * 0x10000).hexdigest()[:8]
    path.write_bytes(b"a" * 0x100000)
    assert legacy_hash(path) == "", "or every short file would have one and the same"


def test_many_begin_at_once_on_a_new_table(tmp_path, caplog):
    def start(number):
        ModelTable(tmp_path).keep_looks("1", {f"/{number}": ("s", "{}")})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(start, range(24)))
    assert len(ModelTable(tmp_path).looks("1")) == 24
    assert caplog.text == ""
