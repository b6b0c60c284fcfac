"""Hashes of weight files, remembered by size and time of change, since reading gigabytes takes seconds."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path

from webui.engine.checkpoints.table import HashKey, ModelTable

SMALL_BYTES = 64 * 2**20
"""Files of at most so much are hashed while the list is made; larger ones behind, so that no start waits for them."""

# A1111's old hash is of so many bytes from here on.
_LEGACY_START, _LEGACY_BYTES, _LEGACY_DIGITS = 0x100000, 0x10000, 8


class HashCache:
    """sha256 of files; safe to use from several threads, and by several processes on one table."""

    def __init__(self, table: ModelTable) -> None:
        self._table = table
        self._lock = threading.Lock()
        self._known = table.hashes()
        self._new: dict[HashKey, str] = {}

    def known(self, files: Sequence[Path]) -> str | None:
        """The hash of these files together when it needs no reading, else None. Raises OSError."""
        digests = [self._one(file) for file in files]
        return None if None in digests or not digests else combine([d for d in digests if d])

    def reload(self) -> None:
        """Take over what another process on this table has computed meanwhile."""
        found = self._table.hashes()
        with self._lock:
            self._known = {**found, **self._known}

    def compute(self, files: Sequence[Path]) -> str:
        """The hash of these files together; reads those that are not known. Raises OSError.

        Those of small files are not written before the next `keep`, since a disk takes longer for that than to read.
        """
        digests = []
        for file in files:
            # Of the state before it is read: one that changes meanwhile is read again the next time.
            key = _key(file)
            digest = self._one(file)
            if digest is None:
                digest = _sha256(file)
                with self._lock:
                    self._known[key] = self._new[key] = digest
                if key[1] > SMALL_BYTES:
                    self.keep()
            digests.append(digest)
        return combine(digests)

    def keep(self) -> None:
        """Write what was computed, for the next start and for other processes."""
        with self._lock:
            new, self._new = self._new, {}
        if new:
            self._table.keep_hashes(new)

    def _one(self, file: Path) -> str | None:
        key = _key(file)
        known = self._known.get(key)
        if known is None:
            # The hashes of earlier versions are under the paths that links lead to.
            known = self._known.get((str(file.resolve()), *key[1:]))
        return known


def combine(digests: Sequence[str]) -> str:
    """One file's own sha256; of several, the sha256 over their sorted hex digests."""
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("".join(sorted(digests)).encode()).hexdigest()


def legacy_hash(file: Path) -> str:
    """A1111's hash of eight digits from before it took sha256; "" for a file that is too short for it.

    It is sha256 of 64 KiB at 1 MiB (`model_hash` in A1111). Raises OSError.
    """
    with file.open("rb") as opened:
        opened.seek(_LEGACY_START)
        piece = opened.read(_LEGACY_BYTES)
    return hashlib.sha256(piece).hexdigest()[:_LEGACY_DIGITS] if piece else ""


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _key(file: Path) -> HashKey:
    stat = file.stat()
    return str(file), stat.st_size, stat.st_mtime_ns
