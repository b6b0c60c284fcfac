"""One start at a time makes or changes the environment; a second one waits for it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from webui.bootstrap.shell import say

_TRY_SECONDS = 0.2


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold the lock of the environment in `folder`, after waiting for whoever has it.

    The system frees it when its holder ends, however that happens. Where no lock file can be written nothing can be
    installed either, and the installation says so itself.
    """
    try:
        file = folder.with_name(folder.name + ".lock").open("a+b")
    except OSError:
        yield
        return
    with file:
        if not _taken(file):
            say("Another start is installing here; this one waits for it ...")
            while not _taken(file):
                time.sleep(_TRY_SECONDS)
        yield


def _taken(file: IO[bytes]) -> bool:
    try:
        if sys.platform == "win32":
            # Exists on Windows only.
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            # Exists everywhere but on Windows.
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
