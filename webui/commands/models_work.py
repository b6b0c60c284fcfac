"""What the works on models share on the command line: a bar, Ctrl+C, where a result goes, which checkpoint is meant."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from webui.commands.common import write_line
from webui.commands.models import open_shelf
from webui.commands.progress import Progress
from webui.core.errors import Conflict
from webui.core.model_work import ModelWork
from webui.core.options import Options
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.work.base import Progress as Told
from webui.engine.work.base import ShouldStop, is_sentence
from webui.engine.work.download.look import Source
from webui.engine.work.download.tokens import NAME
from webui.engine.work.library import Library
from webui.plugins.builtin.works import works
from webui.plugins.resolve import resolve

_BAR = 24

T = TypeVar("T")


class WorkProgress(Progress):
    """Draws how far a work is; without a terminal each sentence is a line, once."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self._said = ""

    def tell(self, fraction: float, words: str) -> None:
        """Draw it; see webui.engine.work.base.Progress."""
        filled = round(fraction * _BAR)
        self._draw(f"[{'#' * filled}{'-' * (_BAR - filled)}] {fraction:4.0%} {words}")
        if (words != self._said and not self._live) or is_sentence(words):
            self.line(words)
        self._said = words


def carry_out(name: str, request: ModelWork, library: Library, files: Any = None) -> int:
    """Do the work of this name in this process, show its progress, and say where the result is.

    files: what the request names, where it was looked for already.
    """
    row = next(work for work in works() if work.name == name)
    with _in_words_of_flags():
        if files is None:
            # What is refused at once over the API is here too, before anything is read.
            resolve(row.accept)(request, library)
            files = resolve(row.files)(request, library)
        path: Path = carried_out(resolve(row.function), request, files)
    write_line(str(path))
    return 0


@contextmanager
def _in_words_of_flags() -> Iterator[None]:
    """Where something is in the result's place, name the flags that lead out, which the API's remedies cannot."""
    try:
        yield
    except Conflict as error:
        if error.field == "target":
            error.remedies = ("Choose another name with --name", "Replace what is there with --overwrite")
        raise


def carried_out(function: Callable[[Any, Any, Told, ShouldStop], T], request: ModelWork, files: Any) -> T:
    """What the function makes, with its progress shown; Ctrl+C has it stop in order."""
    progress, stopped = WorkProgress(), list[bool]()

    def stop(number: int, frame: FrameType | None) -> None:
        stopped.append(True)

    before = signal.signal(signal.SIGINT, stop)
    try:
        return function(request, files, progress.tell, lambda: bool(stopped))
    finally:
        signal.signal(signal.SIGINT, before)
        progress.clear()


def library_of(options: Options, catalogue: Callable[[], Catalogue], sources: tuple[Source, ...] = ()) -> Library:
    """Where works find what the command line names; a VAE may be a path there. sources: of models to download."""
    return Library(catalogue, options.paths.models, options.paths.state / NAME, any_file=True, sources=sources)


def open_library(given: argparse.Namespace) -> Library:
    """The same by a parsed command line."""
    shelf = open_shelf(given)
    return library_of(shelf.options, lambda: shelf.catalogue)
