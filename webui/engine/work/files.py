"""New files and folders that are there whole or not at all: written beside their place under a hidden name. Torch-free.

Hidden, so that no search for models lists them; in the same folder, so that the last step is one rename.
"""

from __future__ import annotations

import errno
import hashlib
import os
import platform
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import psutil

from webui.core.errors import Conflict, StorageProblem, TransientStorageProblem
from webui.engine.checkpoints.checkpoint import Checkpoint
from webui.engine.checkpoints.identify import Kinds

PREFIX = ".darkroom-"
"""What hidden names begin with."""

MAX_NAME_BYTES = 255
"""The longest name that common file systems take."""

# What stays free of a disk, so that the program's own files still find room.
_RESERVE_BYTES = 64 * 2**20
_PART = ".part"
# What a kill left behind goes after so long without a write; what may go on later is kept longer.
_STALE_SECONDS, _KEPT_SECONDS = 6 * 3600.0, 7 * 24 * 3600.0
_KEPT = f"{PREFIX}kept-"
_FULL = (errno.ENOSPC, errno.EDQUOT)
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL)


@dataclass(frozen=True, slots=True)
class WorkFiles:
    """The checkpoint that is worked on, and where the result goes. kinds: the rows that it is known by."""

    source: Checkpoint
    target: Path
    kinds: Kinds = field(default_factory=Kinds.built_in)


@contextmanager
def new_file(target: Path, size: int, *, overwrite: bool = False) -> Iterator[BinaryIO]:
    """A file to be written, `target` once the block has ended without an error; with one, nothing is left.

    size: bytes that it will take. Raises Conflict when there is something already and overwrite is False, and
    StorageProblem when the disk is full or may not be written; what the block itself raises goes through.
    """
    with sentences(target):
        _begin(target, size, overwrite)
        part = hidden(target)
        try:
            with part.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            put(part, target, overwrite=overwrite)
        except BaseException:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise


@contextmanager
def new_folder(target: Path, size: int, *, overwrite: bool = False) -> Iterator[Path]:
    """The same for a folder: the block fills the folder that it is given."""
    with sentences(target):
        _begin(target, size, overwrite)
        part = hidden(target)
        part.mkdir()
        try:
            yield part
            put_folder(part, target, overwrite=overwrite)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise


def hidden(target: Path, key: str = "") -> Path:
    """A hidden name beside a target; with a key always the same, and kept for a week."""
    return target.with_name(f"{_KEPT}{key}{_PART}" if key else f"{PREFIX}{_writer()}-{secrets.token_hex(8)}{_PART}")


def _writer() -> str:
    """Who writes a hidden file: this process of this machine."""
    return f"{_machine()}-{os.getpid()}"


def _machine() -> str:
    # Folders may be shared by machines, whose processes have the same numbers.
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]


def _is_orphan(name: str) -> bool:
    """Whether it was written by a process of this machine that is no more."""
    machine, _, rest = name.removeprefix(PREFIX).partition("-")
    number = rest.partition("-")[0]
    return machine == _machine() and number.isdecimal() and not psutil.pid_exists(int(number))


def check_target(target: Path, *, overwrite: bool) -> None:
    """Raises Conflict when something is there and may not be replaced, StorageProblem for a name that none can have."""
    if len(os.fsencode(target.name)) > MAX_NAME_BYTES:
        raise StorageProblem(
            f"The name {target.name[:40]}... is longer than a file's name may be.",
            field="target",
            remedies=("Choose a shorter name",),
        )
    if os.path.lexists(target) and not overwrite:
        raise Conflict(
            f"{target.name} is there already.",
            field="target",
            remedies=("Choose another name", "Ask for it to be replaced (overwrite)"),
        )


def check_room(folder: Path, size: int) -> None:
    """Raises StorageProblem when the disk has no room for so many bytes."""
    free = shutil.disk_usage(folder).free
    if free < size + _RESERVE_BYTES:
        raise TransientStorageProblem(
            f"The disk has {free / 2**20:,.0f} MiB free, and this takes {(size + _RESERVE_BYTES) / 2**20:,.0f} MiB.",
            remedies=("Make room on the disk", "Choose another folder"),
        )


@contextmanager
def sentences(target: Path) -> Iterator[None]:
    """Turn the system's errors while a target is written into sentences."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise TransientStorageProblem(
                f"The disk is full; {target.name} was not written.",
                remedies=("Make room on the disk", "Choose another folder"),
            ) from error
        raise StorageProblem(
            f"{target.name} cannot be written: {error.strerror or error}.",
            remedies=("Give this user the right to write there", "Choose another folder"),
        ) from error


def put(part: Path, target: Path, *, overwrite: bool) -> None:
    """Give a whole, synced file its name. Raises Conflict, OSError."""
    if overwrite:
        part.replace(target)
    else:
        _rename_exclusively(part, target)
    sync_folder(target.parent)


def put_folder(part: Path, target: Path, *, overwrite: bool) -> None:
    """Sync a whole folder and give it its name; one that was there is taken away then. Raises Conflict, OSError."""
    for file in part.rglob("*"):
        if file.is_file():
            with file.open("rb") as opened:
                os.fsync(opened.fileno())
        else:
            sync_folder(file)
    sync_folder(part)
    check_target(target, overwrite=overwrite)
    old = hidden(target)
    if os.path.lexists(target):
        target.rename(old)
    try:
        part.rename(target)
    except OSError:
        if os.path.lexists(old):
            old.rename(target)
        raise
    sync_folder(target.parent)
    if old.is_dir() and not old.is_symlink():
        shutil.rmtree(old, ignore_errors=True)
    else:
        old.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Have the system write a folder's entries to the disk, where it knows how to."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        with suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)


def _begin(target: Path, size: int, overwrite: bool) -> None:
    check_target(target, overwrite=overwrite)
    target.parent.mkdir(parents=True, exist_ok=True)
    sweep(target.parent)
    check_room(target.parent, size)


def sweep(folder: Path) -> None:
    """Take away what a kill left behind: what nobody writes any more at once, what nobody is known of after a time."""
    for left in folder.glob(f"{PREFIX}*"):
        with suppress(OSError):
            stale = _KEPT_SECONDS if left.name.startswith(_KEPT) else _STALE_SECONDS
            if _is_orphan(left.name) or _last_write(left) < time.time() - stale:
                if left.is_dir():
                    shutil.rmtree(left, ignore_errors=True)
                else:
                    left.unlink(missing_ok=True)


def _last_write(path: Path) -> float:
    inside = path.rglob("*") if path.is_dir() else ()
    return max(file.stat().st_mtime for file in (path, *inside))


def _rename_exclusively(part: Path, target: Path) -> None:
    try:
        os.link(part, target)
    except FileExistsError:
        check_target(target, overwrite=False)
        raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # A file system without links, as on memory cards: between the look and the rename is a moment.
        check_target(target, overwrite=False)
        part.rename(target)
        return
    part.unlink()
