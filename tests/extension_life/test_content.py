"""Strangers' archives: nothing leaves the folder, nothing is endless, and the sum tells any change."""

from __future__ import annotations

import gzip
import io
import os
import random
import stat
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from tests.extension_life.conftest import extension, tarred, zipped
from webui.core.errors import DarkroomError
from webui.extension_life.content import LIMITS, BadContent, Limits, copy_folder, digest, measure, unpack

SMALL = Limits(bytes=100_000, files=20, path=60)
GIGABYTE = 2**30


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def test_zip_and_tars_give_the_same_content(tmp_path: Path) -> None:
    files = {"top/extension.toml": "x", "top/deep/a.py": "y" * 1000}
    zipped(tmp_path / "a.zip", files)
    for suffix, mode in ((".tar", "w"), (".tar.gz", "w:gz"), (".tar.bz2", "w:bz2"), (".tar.xz", "w:xz")):
        with tarfile.open(tmp_path / f"a{suffix}", mode) as archive:  # type: ignore[call-overload]
            for name, text in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(text)
                archive.addfile(info, io.BytesIO(text.encode()))
    sums = set()
    for path in sorted(tmp_path.glob("a.*")):
        target = tmp_path / f"of {path.name}"
        unpack(path, target)
        sums.add(digest(target))
        assert measure(target) == (2, 1001)
    assert len(sums) == 1


@pytest.mark.parametrize(
    "name",
    ["../up", "a/../../up", "/etc/passwd", "a//b", "C:/x", "..\\up", "a/./b", "a\x00b", "new\nline", "x" * 61],
)
def test_names_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    made = [tmp_path / "a.tar.gz"]
    tarred(made[0], entry(name), content=b"x")
    if "\x00" not in name:
        made.append(zipped(tmp_path / "a.zip", {name: "x"}))
    for archive in made:
        target = tmp_path / f"of {archive.name}"
        if archive.suffix == ".gz" and "\x00" in name:
            continue  # tar ends a name there
        with pytest.raises(BadContent, match="a name"):
            unpack(archive, target, SMALL)
        assert not list(target.rglob("*"))
    assert not (tmp_path / "up").exists()


@pytest.mark.parametrize(
    ("kind", "link"),
    [
        (tarfile.SYMTYPE, "/etc/passwd"),
        (tarfile.SYMTYPE, "inside"),
        (tarfile.LNKTYPE, "a"),
        (tarfile.CHRTYPE, ""),
        (tarfile.FIFOTYPE, ""),
    ],
)
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes, link: str) -> None:
    tarred(tmp_path / "a.tar", entry("a"), entry("b", kind, link), content=b"x")
    with pytest.raises(BadContent, match="a link or a device"):
        unpack(tmp_path / "a.tar", tmp_path / "out", SMALL)
    assert not (tmp_path / "out" / "b").exists()


def as_tar(path: Path, files: Mapping[str, str]) -> Path:
    return tarred(path, *map(entry, files), content=b"the same")


@pytest.mark.parametrize("pack", [zipped, as_tar])
def test_nothing_is_written_that_the_sum_does_not_tell(tmp_path: Path, pack: Callable[..., object]) -> None:
    files = {"top/extension.py": "x", "top/deep/a.py": "y"}
    hidden = ("__pycache__/extension.cpython-311.pyc", "deep/a.pyc", "deep/A.PYC", "__PYCACHE__/b.py", ".git/hooks/c")
    pack(tmp_path / "plain", files)
    pack(tmp_path / "other", files | {f"top/{name}": "runs in its place" for name in hidden})
    for name in ("plain", "other"):
        unpack(tmp_path / name, tmp_path / f"of {name}")
    written = {path.relative_to(tmp_path / "of other").as_posix() for path in (tmp_path / "of other").rglob("*.*")}
    assert written == set(files)
    assert digest(tmp_path / "of plain") == digest(tmp_path / "of other")


def test_a_zips_link_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        info = zipfile.ZipInfo("b")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(BadContent, match="a link"):
        unpack(tmp_path / "a.zip", tmp_path / "out", SMALL)


def test_a_folders_links_are_refused_and_history_left_out(tmp_path: Path) -> None:
    source = extension(tmp_path / "source")
    (source / ".git").mkdir()
    (source / ".git" / "config").write_text("secret")
    copy_folder(source, tmp_path / "copy")
    assert sorted(path.name for path in (tmp_path / "copy").iterdir()) == ["extension.py", "extension.toml"]
    (source / "link").symlink_to("/etc/passwd")
    with pytest.raises(BadContent, match="a link"):
        copy_folder(source, tmp_path / "other")


def _declared_zip(path: Path) -> None:
    """A zip whose list of names says a gigabyte."""
    zipped(path, {"a": b"x" * 1000})
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 24 : at + 28] = GIGABYTE.to_bytes(4, "little")
    path.write_bytes(data)


def _real_zip(path: Path) -> None:
    """A zip of a few kilobytes that unpacks to more than an extension may have."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive, archive.open("a", "w") as file:
        for _ in range(LIMITS.bytes // 2**22 + 1):
            file.write(bytes(2**22))


def _lying_zip(path: Path) -> None:
    """The same, which says that it is small."""
    _real_zip(path)
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 24 : at + 28] = (10).to_bytes(4, "little")
    path.write_bytes(data)


def _declared_tar(path: Path) -> None:
    """A tar whose one header says a gigabyte."""
    info = entry("a")
    info.size = GIGABYTE
    path.write_bytes(info.tobuf() + bytes(10_240))


def _sparse_tar(path: Path) -> None:
    """GNU's sparse file: a gigabyte of which nothing is stored."""
    header = bytearray(entry("a", tarfile.GNUTYPE_SPARSE).tobuf(tarfile.GNU_FORMAT))
    header[483:495] = b"%011o\0" % GIGABYTE
    header[148:156] = b"        "
    header[148:156] = b"%06o\0 " % sum(header[:512])
    path.write_bytes(header + bytes(10_240))


def _endless_header(path: Path) -> None:
    """A tar, packed, with a header for one name that goes on for a gigabyte."""
    info = entry("pax", tarfile.XHDTYPE)
    info.size = GIGABYTE
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(info.tobuf())
        for _ in range(LIMITS.bytes // 2**22 + 2):
            file.write(bytes(2**22))


@pytest.mark.parametrize("make", [_declared_zip, _real_zip, _lying_zip, _declared_tar, _sparse_tar, _endless_header])
def test_a_gigabyte_is_refused_before_it_is_there(tmp_path: Path, make: Callable[[Path], None]) -> None:
    path = tmp_path / "a"
    make(path)
    assert path.stat().st_size < 20_000_000
    with pytest.raises(BadContent):
        unpack(path, tmp_path / "out")
    written = sum(file.stat().st_size for file in (tmp_path / "out").rglob("*") if file.is_file())
    assert written <= LIMITS.bytes


def test_a_large_file_is_refused_by_its_size(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with path.open("wb") as file:
        file.truncate(GIGABYTE)
    with pytest.raises(BadContent, match="larger than the 256 MB"):
        unpack(path, tmp_path / "out")


def test_many_files_and_long_lists_of_names_are_refused(tmp_path: Path) -> None:
    many = {f"f{n}": "" for n in range(21)}
    with pytest.raises(BadContent, match="more than 20 files"):
        unpack(zipped(tmp_path / "a.zip", many), tmp_path / "out", SMALL)
    tarred(tmp_path / "a.tar.gz", *(entry(name) for name in many))
    with pytest.raises(BadContent, match="more than 20 files"):
        unpack(tmp_path / "a.tar.gz", tmp_path / "out2", SMALL)
    data = zipped(tmp_path / "b.zip", {"a": ""}).read_bytes()
    at = data.index(b"PK\x05\x06")
    (tmp_path / "b.zip").write_bytes(data[: at + 12] + (2**28).to_bytes(4, "little") + data[at + 16 :])
    with pytest.raises(BadContent, match="list of names"):
        unpack(tmp_path / "b.zip", tmp_path / "out3", SMALL)


@pytest.mark.parametrize("data", [b"", b"PK", b"PK\x03\x04" + bytes(100), b"\x1f\x8b\x08 damaged", os.urandom(600)])
def test_what_is_no_archive_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(BadContent):
        unpack(tmp_path / "a", tmp_path / "out", SMALL)


def test_damage_anywhere_is_a_sentence_and_writes_nothing_outside(tmp_path: Path) -> None:
    numbers = random.Random(5)
    files = {f"top/f{n}.py": "x" * n * 37 for n in range(6)}
    whole = [zipped(tmp_path / "a.zip", files).read_bytes()]
    whole.append(tarred(tmp_path / "a.tar", *map(entry, files), content=b"x" * 700).read_bytes())
    whole.append(tarred(tmp_path / "a.tar.gz", *map(entry, files), content=b"x" * 700).read_bytes())
    for number in range(400):
        data = bytearray(whole[number % 3])
        for _ in range(numbers.choice((1, 2, 20))):
            data[numbers.randrange(len(data))] = numbers.randrange(256)
        (tmp_path / "x").write_bytes(data)
        target = tmp_path / f"out{number}"
        with suppress(BadContent):
            unpack(tmp_path / "x", target, SMALL)
        assert not any(path.is_symlink() for path in target.rglob("*"))
    assert {path.name for path in tmp_path.iterdir()} <= {
        "a.zip",
        "a.tar",
        "a.tar.gz",
        "x",
        *map("out{}".format, range(400)),
    }


def test_one_name_twice_is_refused_whatever_its_case(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"worker.py": "good", "Worker.py": "bad"})
    with pytest.raises(BadContent, match="twice"):
        unpack(archive, tmp_path / "out", SMALL)


def test_a_file_in_a_folders_place_is_refused(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"a": "file", "a/b": "below it"})
    with pytest.raises(BadContent, match="file and a folder"):
        unpack(archive, tmp_path / "out", SMALL)


def test_it_stops_when_it_is_told_to(tmp_path: Path) -> None:
    def stop() -> None:
        raise DarkroomError("stopped")

    with pytest.raises(DarkroomError, match="stopped"):
        unpack(zipped(tmp_path / "a.zip", {"a": "x"}), tmp_path / "out", SMALL, stop)


def test_the_sum_tells_any_change_and_nothing_else(tmp_path: Path) -> None:
    folder = extension(tmp_path / "a")
    sums = {digest(folder)}
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "x.pyc").write_text("compiled")
    assert digest(folder) in sums
    (folder / "extension.py").write_text("x")
    sums.add(digest(folder))
    (folder / "extension.py").rename(folder / "other.py")
    sums.add(digest(folder))
    (folder / "othe").write_text("r.py")
    sums.add(digest(folder))
    assert len(sums) == 4
