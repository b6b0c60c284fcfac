"""Hashes of weight files, remembered by size and time of change, since reading gigabytes takes seconds."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
from collections.abc import Sequence
from pathlib import Path

log = logging.getLogger(__name__)

_FILE = "checkpoint-hashes.json"


class HashCache:
    """sha256 of files; safe to use from several threads, and by several processes on one folder."""

    def __init__(self, folder: Path | None) -> None:
        self._path = folder / _FILE if folder else None
        self._lock = threading.Lock()
        self._known = self._read()

    def known(self, files: Sequence[Path]) -> str | None:
        """The hash of these files together when it needs no reading, else None."""
        digests = [self._known.get(_key(file)) for file in files]
        return None if None in digests or not digests else combine([d for d in digests if d])

    def reload(self) -> None:
        """Take over what another process on this folder has computed meanwhile."""
        found = self._read()
        with self._lock:
            self._known = {**found, **self._known}

    def compute(self, files: Sequence[Path]) -> str:
        """The hash of these files together; reads those that are not known. Raises OSError."""
        digests = []
        for file in files:
            key = _key(file)
            if key not in self._known:
                digest = _sha256(file)
                with self._lock:
                    self._known[key] = digest
                    self._write()
            digests.append(self._known[key])
        return combine(digests)

    def _read(self) -> dict[str, str]:
        if self._path is None or not self._path.is_file():
            return {}
        try:
            data = json.loads(self._path.read_text(encoding="utf-8"))
            return {str(k): str(v) for k, v in data.items()}
        except (OSError, ValueError, AttributeError):
            log.warning("%s was damaged; hashes are computed again.", self._path)
            return {}

    def _write(self) -> None:
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary = self._path.with_suffix(f".{os.getpid()}.tmp")
            # Another process on this folder may have added some meanwhile.
            temporary.write_text(json.dumps({**self._read(), **self._known}, indent=0), encoding="utf-8")
            temporary.replace(self._path)
        except OSError as error:
            log.warning("Hashes of checkpoints cannot be kept: %s.", error)


def combine(digests: Sequence[str]) -> str:
    """One file's own sha256; of several, the sha256 over their sorted hex digests."""
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("".join(sorted(digests)).encode()).hexdigest()


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _key(file: Path) -> str:
    stat = file.stat()
    return f"{file.resolve()}|{stat.st_size}|{stat.st_mtime_ns}"
