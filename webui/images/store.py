"""Pictures on disk: numbers that never collide, files that are there whole or not at all, a bin instead of deletion."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import re
import secrets
import shutil
import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from webui.core.errors import NotFound, StorageProblem, TransientStorageProblem
from webui.images.numbers import Numbers, number_of, reservation_of
from webui.images.thumbnails import Thumbnails

log = logging.getLogger(__name__)

MIN_FREE_BYTES = 1024 * 1024
"""With less room than this on the disk no new job is taken."""

_TASK = re.compile(r"[a-z0-9]+([_-][a-z0-9]+)*")
_PART = re.compile(r'[^.\x00-\x1f\\/:*?"<>|][^\x00-\x1f\\/:*?"<>|]*')
_DAYS = "*-images/????-??-??"
_FULL = (errno.ENOSPC, errno.EDQUOT)
_NO_RIGHT = (errno.EACCES, errno.EPERM, errno.EROFS)
_NO_FOLDER_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP)
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL)


class PictureStore:
    """The outputs folder. Paths go in and out relative to it, with forward slashes; every method is thread-safe.

    A number is taken by a hidden file `.00001.reserved` beside the pictures, which only one process can create. It goes
    when the picture is saved, so a folder never holds an empty picture. `owner` (ASCII) names the database whose rows
    know the reserved numbers. Errors name no absolute path: guests read them.
    """

    def __init__(self, outputs: Path, owner: str) -> None:
        self._outputs = outputs
        self._owner = owner
        self._bin = outputs / ".bin"
        self._thumbnails = Thumbnails(outputs / ".cache" / "thumbnails")

    def reserve(self, task: str, seeds: Sequence[int], when: float | None = None) -> list[str]:
        """A path for each seed, 'txt2img-images/2026-11-25/00001-7.png', numbered on from the folder's last number.

        `when` is in Unix seconds (default now) and names the day in local time. Raises StorageProblem.
        """
        if not _TASK.fullmatch(task):
            raise ValueError(f"{task!r} is no name of a task")
        day = time.strftime("%Y-%m-%d", time.localtime(when))
        relative = PurePosixPath(f"{task}-images", day)
        folder = self._outputs / relative
        with self._sentences():
            folder.mkdir(parents=True, exist_ok=True)
            numbers = self._numbers(folder).take(len(seeds))
        return [str(relative / f"{number:05d}-{seed}.png") for number, seed in zip(numbers, seeds, strict=True)]

    def release(self, relpath: str) -> None:
        """Free a reserved path that will not be saved; harmless when nothing is reserved, never removes a picture."""
        target = self.path(relpath)
        with self._sentences():
            _part(target).unlink(missing_ok=True)
            reservation_of(target).unlink(missing_ok=True)

    def sweep(self, keep: Collection[str], since: float) -> int:
        """Free what the owner reserved and is in no path of `keep`, as a kill leaves it behind; how many they were.

        Only folders that changed after `since` (Unix seconds) are looked into. Raises StorageProblem.
        """
        kept: defaultdict[Path, set[int]] = defaultdict(set)
        for path in map(self.path, keep):
            if (number := number_of(path.name)) is not None:
                kept[path.parent].add(number)
        with self._sentences():
            changed = [folder for folder in self._outputs.glob(_DAYS) if folder.stat().st_mtime > since]
            return sum(self._numbers(folder).sweep(kept[folder]) for folder in changed)

    def save(self, relpath: str, data: bytes) -> None:
        """Write a picture to its reserved path: it is there whole, or StorageProblem is raised and nothing is there.

        Saving again to the same path replaces the own file; a stranger's file of that name is never touched.
        """
        target = self.path(relpath)
        part, reservation = _part(target), reservation_of(target)
        digest = hashlib.sha256(data).hexdigest()
        with self._sentences():
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                if target.exists() and not _own(target, reservation):
                    raise FileExistsError(errno.EEXIST, "taken", str(target))
                replace = target.exists()
                # A kill between link and unlink leaves the part as a second name of the finished picture: writing
                # into it would empty that.
                part.unlink(missing_ok=True)
                _write(part, data)
                if reservation.exists():
                    # Says after a crash that the file under the name is ours; added to, since the crash may come
                    # before the old file is replaced.
                    with reservation.open("a", encoding="ascii") as note:
                        note.write(digest + "\n")
                if replace:
                    part.replace(target)
                else:
                    _rename_exclusively(part, target)
                _sync_folder(target.parent)
                reservation.unlink(missing_ok=True)
            except BaseException:
                part.unlink(missing_ok=True)
                raise

    def path(self, relpath: str) -> Path:
        """Where a picture lies; raises NotFound for a path that leads out of the outputs folder or to hidden files."""
        parts = relpath.split("/")
        if len(relpath) > 500 or not all(_PART.fullmatch(part) for part in parts):
            raise NotFound("There is no such picture.")
        path = self._outputs.joinpath(*parts)
        if not path.resolve().is_relative_to(self._outputs.resolve()):
            raise NotFound("There is no such picture.")
        return path

    def thumbnail(self, relpath: str, side: int) -> bytes:
        """The picture as WebP, scaled to fit a square of about `side` pixels. Raises NotFound, BadPicture."""
        path = self.path(relpath)
        if not path.is_file():
            raise NotFound(f"The file {path.name} is no longer in the outputs folder.")
        return self._thumbnails.get(path, relpath, side)

    def to_bin(self, relpath: str) -> str | None:
        """Move a picture into the bin, keeping its path; returns its path there, None when the file is gone already."""
        source = self.path(relpath)
        kept = relpath
        with self._sentences():
            while source.is_file():
                target = self._bin.joinpath(*kept.split("/"))
                target.parent.mkdir(parents=True, exist_ok=True)
                try:
                    _rename_exclusively(source, target)
                except FileExistsError:
                    base = PurePosixPath(relpath)
                    kept = str(base.with_name(f"{base.stem}-{secrets.token_hex(3)}{base.suffix}"))
                else:
                    self._thumbnails.forget(relpath)
                    return kept
        return None

    def restore(self, relpath: str) -> None:
        """Move a picture out of the bin, to where it was. Raises NotFound, StorageProblem when its place is taken."""
        target = self.path(relpath)
        source = self._bin.joinpath(*relpath.split("/"))
        if not source.is_file():
            raise NotFound(f"{target.name} is not in the bin.")
        with self._sentences():
            target.parent.mkdir(parents=True, exist_ok=True)
            _rename_exclusively(source, target)

    def check_writable(self) -> None:
        """Raise StorageProblem when a picture could not be saved now: no right, no folder, no room."""
        probe = self._outputs / f".probe-{secrets.token_hex(6)}"
        with self._sentences():
            self._outputs.mkdir(parents=True, exist_ok=True)
            try:
                probe.touch(exist_ok=False)
            finally:
                probe.unlink(missing_ok=True)
            if shutil.disk_usage(self._outputs).free < MIN_FREE_BYTES:
                raise OSError(errno.ENOSPC, "almost no room left")

    def _numbers(self, folder: Path) -> Numbers:
        return Numbers(folder, self._bin / folder.relative_to(self._outputs), self._owner)

    @contextmanager
    def _sentences(self) -> Iterator[None]:
        """Turn the system's errors into sentences for the person at the page; the log keeps the path."""
        try:
            yield
        except OSError as error:
            log.warning("The outputs folder %s: %s", self._outputs, error)
            raise _storage_problem(error) from error


def _storage_problem(error: OSError) -> StorageProblem:
    if error.errno in _FULL:
        return TransientStorageProblem(
            "The disk that the outputs folder is on is full, so the picture cannot be saved.",
            remedies=("Free some space on that disk, then try again", "Start with another --data-dir"),
        )
    if error.errno in _NO_RIGHT:
        return StorageProblem(
            "The outputs folder cannot be written: this user has no right to, or the disk is read-only.",
            remedies=("Give this user the right to write there", "Start with another --data-dir"),
        )
    if isinstance(error, FileExistsError | NotADirectoryError):
        name = Path(error.filename).name if error.filename else "outputs"
        return StorageProblem(
            f"In the outputs folder something else already has the name '{name}'; it was left as it is.",
            remedies=("Move that file away, then try again",),
        )
    return StorageProblem(
        f"The outputs folder cannot be used: {error.strerror or error}.",
        remedies=("Look at the disk that the outputs folder is on", "Start with another --data-dir"),
    )


def _part(target: Path) -> Path:
    # One name for each picture: a run after a crash writes over what the killed one left.
    return target.with_name(f".{target.name}.part")


def _own(target: Path, reservation: Path) -> bool:
    """Whether the file under a reserved name is ours: its reservation has gone (it was saved) or names its content."""
    try:
        saved = reservation.read_text(encoding="ascii", errors="replace").split()
    except FileNotFoundError:
        return True
    return hashlib.sha256(target.read_bytes()).hexdigest() in saved


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _rename_exclusively(source: Path, target: Path) -> None:
    """Rename within a disk; raises FileExistsError when the target exists, whoever made it."""
    if os.name != "nt":  # There rename itself refuses.
        try:
            os.link(source, target)
        except OSError as error:
            if isinstance(error, FileExistsError) or error.errno not in _NO_LINKS:
                raise
            # A disk without hard links (exFAT): what is left is a look before the rename.
            if target.exists():
                raise FileExistsError(errno.EEXIST, "taken", str(target)) from error
        else:
            source.unlink()
            return
    source.rename(target)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows opens no folders and writes names through by itself.
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(handle)
