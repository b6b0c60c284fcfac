"""Put a stranger's files into a folder within limits: nothing outside it, no links, no devices, no endless archives."""

from __future__ import annotations

import bz2
import errno
import gzip
import hashlib
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from webui.core.errors import DarkroomError

_PIECE_BYTES = 2**20
_MOST_ARCHIVE_NAMES = 8 * 2**20
"""Bytes of a zip's list of names: Python reads it whole, and makes an object of a few hundred bytes of each entry."""

_IGNORED = frozenset({".git", ".hg", ".svn", "__pycache__"})
"""Folders that are no part of an extension."""
_COMPILED = ".pyc"
"""What Python has made of a file, and would run in its place."""


class BadContent(DarkroomError):
    """What was fetched is damaged, too large, or reaches out of its folder."""

    type = "bad-extension"
    title = "The extension cannot be taken"
    status = 422
    exit_code = 2


@dataclass(frozen=True, slots=True)
class Limits:
    """What an extension may take: bytes of all files, their number, and characters of one path inside."""

    bytes: int = 256 * 2**20
    files: int = 5000
    path: int = 200


LIMITS = Limits()


def unpack(archive: Path, target: Path, limits: Limits = LIMITS, check: Callable[[], None] = lambda: None) -> None:
    """Unpack a zip or tar (plain, gz, bz2, xz) into the new folder `target`; raises BadContent with a sentence.

    Version control and compiled files are left out, as by `copy_folder`, since `digest` does not look at them. `check`
    is called often and may raise. What was written before an error stays for the caller to remove.
    """
    if archive.stat().st_size > limits.bytes:
        raise _too_large(limits)
    target.mkdir()
    writer = _Writer(target, limits, check)
    with archive.open("rb") as file, _sentences():
        start = file.read(6)
        file.seek(0)
        if start.startswith(b"PK"):
            _unpack_zip(file, writer)
        else:
            _unpack_tar(_decompressed(file, start), writer)
    if not writer.files:
        raise BadContent("It is empty.")


def copy_folder(source: Path, target: Path, limits: Limits = LIMITS, check: Callable[[], None] = lambda: None) -> None:
    """Copy a folder into the new folder `target`, without version control and compiled files; as `unpack` else."""
    target.mkdir()
    writer = _Writer(target, limits, check)
    for path, entry in _walk(source):
        if not entry.is_file(follow_symlinks=False):
            raise BadContent(f"It holds '{_shown(path)}', which is a link or no file; only files are taken.")
        with Path(entry.path).open("rb") as file:
            writer.file(path, file)


def digest(folder: Path) -> str:
    """The sha256 of a folder's content: of all names and bytes in order of the names; compiled files do not count."""
    total = hashlib.sha256()
    entries = sorted(((os.fsencode(path), entry) for path, entry in _walk(folder)), key=lambda pair: pair[0])
    for path, entry in entries:
        with Path(entry.path).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            total.update(b"%d:%b:%d:" % (len(path), path, size))
            while piece := file.read(_PIECE_BYTES):
                total.update(piece)
    return total.hexdigest()


def measure(folder: Path) -> tuple[int, int]:
    """(files, bytes) of an extension's folder."""
    sizes = [entry.stat(follow_symlinks=False).st_size for _, entry in _walk(folder)]
    return len(sizes), sum(sizes)


def _walk(folder: Path, inside: str = "") -> Iterator[tuple[str, os.DirEntry[str]]]:
    """All that is no folder, with its path inside, forward slashes; links to folders are not followed."""
    with os.scandir(folder / inside) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        path = f"{inside}/{entry.name}" if inside else entry.name
        if _is_no_part(entry.name):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(folder, path)
        else:
            yield path, entry


def _is_no_part(path: str) -> bool:
    """Whether something inside is left out: neither written, nor counted, nor in the sum that people compare."""
    # Some disks take names that differ in case alone for one.
    parts = path.casefold().split("/")
    return parts[-1].endswith(_COMPILED) or not _IGNORED.isdisjoint(parts)


class _Writer:
    """Writes files below one folder, and counts."""

    def __init__(self, target: Path, limits: Limits, check: Callable[[], None]) -> None:
        self.files = 0
        self._target = target
        self._limits = limits
        self._check = check
        self._bytes = 0
        self._seen: set[str] = set()

    def announce(self, files: int, size: int) -> None:
        """Refuse what says by itself that it is too large."""
        if files > self._limits.files:
            raise BadContent(f"It holds more than {self._limits.files:,} files.")
        if size > self._limits.bytes:
            raise _too_large(self._limits)

    def folder(self, name: str) -> None:
        """Make a folder."""
        if name.strip("/") not in ("", ".") and not _is_no_part(name.rstrip("/")):
            self._place(name.rstrip("/")).mkdir(parents=True, exist_ok=True)

    def file(self, name: str, data: IO[bytes]) -> None:
        """Write a file, which can never be run by the system, or leave it out. Raises BadContent when a limit is
        reached.
        """
        path = self._place(name)
        if _is_no_part(name):
            return
        folded = path.as_posix().casefold()
        if folded in self._seen:
            raise BadContent(f"It holds '{_shown(name)}' twice.")
        self._seen.add(folded)
        self.files += 1
        self.announce(self.files, self._bytes)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            while piece := data.read(_PIECE_BYTES):
                self._bytes += len(piece)
                self.announce(self.files, self._bytes)
                self._check()
                file.write(piece)

    def _place(self, name: str) -> Path:
        parts = name.removeprefix("./").split("/")
        if name.startswith("/") or any(part in ("", ".", "..") for part in parts):
            raise BadContent(f"It holds '{_shown(name)}', a name that leads out of its folder.")
        if any(character in '\\:*?"<>|' or not character.isprintable() for character in name):
            raise BadContent(f"It holds '{_shown(name)}', a name that not every system can have.")
        if len(name) > self._limits.path:
            raise BadContent(f"It holds a name of more than {self._limits.path} characters.")
        return self._target.joinpath(*parts)


def _unpack_zip(file: IO[bytes], writer: _Writer) -> None:
    _look_at_names(file)
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        writer.announce(len(entries), sum(entry.file_size for entry in entries))
        for entry in entries:
            mode = entry.external_attr >> 16
            # Many programs write no type at all.
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _no_file(entry.filename)
            # Python's own name has backslashes turned into slashes, and ends at a zero byte.
            if entry.orig_filename != entry.filename:
                raise BadContent(f"It holds '{_shown(entry.orig_filename)}', a name that not every system can have.")
            if entry.flag_bits & 1:
                raise BadContent("It is locked by a password.")
            if entry.is_dir():
                writer.folder(entry.filename)
            else:
                with archive.open(entry) as data:
                    writer.file(entry.filename, data)


def _look_at_names(file: IO[bytes]) -> None:
    """Refuse a zip whose list of names is longer than any extension's, before anything reads it."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 65_557))
    end = file.read()
    file.seek(0)
    at = end.rfind(b"PK\x05\x06")
    if at < 0 or len(end) < at + 22:
        raise BadContent("It is a damaged zip: its end is missing.")
    if (
        b"PK\x06\x07" in end[max(0, at - 20) : at]
        or int.from_bytes(end[at + 12 : at + 16], "little") > _MOST_ARCHIVE_NAMES
    ):
        raise BadContent("Its list of names is longer than that of any extension.")


def _unpack_tar(data: IO[bytes], writer: _Writer) -> None:
    # As a stream: what is declared is looked at before it is passed over, and nothing is read twice.
    with tarfile.open(fileobj=cast(Any, _Bounded(data, writer)), mode="r|") as archive:
        for entry in archive:
            if entry.isdir():
                writer.folder(entry.name)
            elif not entry.isreg():
                raise _no_file(entry.name)
            else:
                writer.announce(writer.files, entry.size)
                content = archive.extractfile(entry)
                assert content is not None
                writer.file(entry.name, content)


class _Bounded:
    """A stream of a tar's bytes that ends in a sentence where a stranger's would go on for ever: headers count too."""

    def __init__(self, data: IO[bytes], writer: _Writer) -> None:
        self._data = data
        self._writer = writer
        self._read = 0

    def read(self, size: int) -> bytes:
        piece = self._data.read(size)
        self._read += len(piece)
        # A header and its filling take less than a kilobyte each.
        self._writer.announce(self._writer.files, self._read - 1024 * (self._writer.files + 100))
        return piece


def _decompressed(file: IO[bytes], start: bytes) -> IO[bytes]:
    if start.startswith(b"\x1f\x8b"):
        return cast(IO[bytes], gzip.open(file))
    if start.startswith(b"BZh"):
        return bz2.open(file)
    if start.startswith(b"\xfd7zXZ"):
        return lzma.open(file)
    return file


@contextmanager
def _sentences() -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, gzip.BadGzipFile) as error:
        raise BadContent("It is no zip or tar archive, or a damaged one.") from error
    except (NotImplementedError, ValueError, OverflowError, RecursionError) as error:
        raise BadContent("It is packed in a way that is not read here.") from error
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise BadContent("It holds a file and a folder of one name.") from error
    except OSError as error:
        # The unpackers' own complaints have no number of the system's, but for a place that a damaged zip leads to.
        if error.errno not in (None, errno.EINVAL):
            raise
        raise BadContent("It is no zip or tar archive, or a damaged one.") from error


def _no_file(name: str) -> BadContent:
    return BadContent(f"It holds '{_shown(name)}', which is a link or a device; only files are taken.")


def _too_large(limits: Limits) -> BadContent:
    return BadContent(
        f"It is larger than the {limits.bytes // 2**20} MB that an extension may have.",
        remedies=("Models go into the models folder, not into an extension",),
    )


def _shown(name: str) -> str:
    """A stranger's name for a sentence."""
    return "".join(character if character.isprintable() else "?" for character in name[:80])
