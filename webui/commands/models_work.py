"""What the works on models share on the command line: a bar, Ctrl+C, where a result goes, which checkpoint is meant."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from webui.commands.common import write_line
from webui.commands.models import Shelf
from webui.commands.progress import Progress
from webui.core.errors import UnknownName
from webui.engine.checkpoints.checkpoint import Checkpoint
from webui.engine.work.base import Progress as Told
from webui.engine.work.base import ShouldStop
from webui.engine.work.names import safe_name
from webui.plugins.resolve import resolve

_BAR = 24

Work = Callable[[Any, Any, Told, ShouldStop], Path]


class WorkProgress(Progress):
    """Draws how far a work is; without a terminal each sentence is a line, once."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self._said = ""

    def tell(self, fraction: float, words: str) -> None:
        """Draw it; see webui.engine.work.base.Progress."""
        filled = round(fraction * _BAR)
        self._draw(f"[{'#' * filled}{'-' * (_BAR - filled)}] {fraction:4.0%} {words}")
        if (words != self._said and not self._live) or words.endswith("."):
            # Sentences are for the person; what is being done ends without a point.
            self.line(words)
        self._said = words


def carry_out(work: str, request: Any, files: Any) -> int:
    """Do a work of this name ("module:function") in this process, show its progress, and say where the result is."""
    function: Work = resolve(work)
    progress, stopped = WorkProgress(), list[bool]()

    def stop(number: int, frame: FrameType | None) -> None:
        stopped.append(True)

    before = signal.signal(signal.SIGINT, stop)
    try:
        path = function(request, files, progress.tell, lambda: bool(stopped))
    finally:
        signal.signal(signal.SIGINT, before)
        progress.clear()
    write_line(str(path))
    return 0


def target(shelf: Shelf, name: str, suffix: str = "") -> Path:
    """The place of a new checkpoint: among the person's own, under a safe name."""
    return shelf.catalogue.folder / safe_name(name, suffix)


def stem(checkpoint: Checkpoint) -> str:
    """A checkpoint's name without folders and end, as new names are made of it."""
    name = checkpoint.path.name
    return name if checkpoint.kind == "diffusers" else checkpoint.path.stem


def vae_path(shelf: Shelf, name: str) -> Path:
    """The VAE that a name in models/VAE means, or a path. Raises UnknownName."""
    known = shelf.catalogue.vaes()
    found = next((vae.path for vae in known if name in (vae.name, vae.title, vae.path.stem)), None)
    if found is None and Path(name).is_file():
        found = Path(name)
    if found is None:
        raise UnknownName("VAE", name, [vae.name for vae in known], field="vae")
    return found
