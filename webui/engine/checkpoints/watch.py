"""Folders that are looked through again when the last look is long ago. Torch-free."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from webui.engine.checkpoints.scan import Scanner, Seen

# As in the catalogue: how old an answer may be, and which share of the time may go into looking.
_LOOK_SECONDS, _LOOK_SHARE = 2.0, 20.0


class Watch:
    """The files in some folders, looked for again when the last look is long ago. One thread at a time may ask."""

    def __init__(self, scanner: Scanner, folders: Sequence[Path]) -> None:
        self._scanner, self._folders = scanner, tuple(folders)
        self._next_look = 0.0

    def changed(self) -> tuple[Seen, ...] | None:
        """What is there, where it was looked for now; None while the last answer is good."""
        now = time.monotonic()
        if now < self._next_look:
            return None
        seen = self._scanner.scan(self._folders)
        took = time.monotonic() - now
        self._next_look = time.monotonic() + max(_LOOK_SECONDS, _LOOK_SHARE * took)
        return seen

    def look_again(self) -> None:
        """Look at the next question."""
        self._next_look = 0.0
