"""What the changes of extensions share on the command line: whose house it is, what runs, yes or no, Ctrl+C."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Collection
from types import FrameType

from webui.commands.common import begin, settings_store
from webui.commands.progress import Progress
from webui.commands.remote import RemoteSession
from webui.core.errors import InvalidField
from webui.core.options import Options
from webui.extension_life.index import split_addresses
from webui.extension_life.life import Life
from webui.extension_life.task import Task
from webui.instance import Instance, running

NEXT_START = "It counts from the next start on."


def open_life(given: argparse.Namespace) -> tuple[Life, Options]:
    """The extensions of the data folder that a parsed command line means. A running server keeps its own settings, so
    there they are changed through it; the folders are the same.
    """
    options = begin(given, "ERROR")
    settings = settings_store(options)
    instance = running(options.paths)

    def disable(names: Collection[str]) -> None:
        if instance is None:
            settings.update({"disabled_extensions": list(names)})
        else:
            asyncio.run(_tell(instance, names))

    life = Life(
        options.paths,
        disabled=lambda: settings.current.disabled_extensions,
        disable=disable,
        indexes=lambda: split_addresses(settings.current.extension_indexes),
    )
    return life, options


def next_start(options: Options) -> str:
    """The sentence about when a change counts."""
    return f"Darkroom runs; {NEXT_START[0].lower()}{NEXT_START[1:]}" if running(options.paths) else NEXT_START


class Shown(Progress):
    """A task whose words are shown on stderr, and which Ctrl+C stops: use it with `with`."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self.task = Task(lambda words: self._draw(f"{words} ..."))

    def __enter__(self) -> Task:
        self._before = signal.signal(signal.SIGINT, self._stop)
        return self.task

    def __exit__(self, *error: object) -> None:
        signal.signal(signal.SIGINT, self._before)
        self.clear()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.task.stop()


def confirmed(question: str, *, yes: bool) -> bool:
    """Whether the person agrees. Raises InvalidField where nobody can be asked."""
    if yes:
        return True
    if not sys.stdin.isatty():
        raise InvalidField("Nobody is here to agree.", remedies=("Give --yes, where you trust it",))
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().casefold() in ("y", "yes")


async def _tell(instance: Instance, names: Collection[str]) -> None:
    async with RemoteSession.open(instance) as session:
        await session.update_settings({"disabled_extensions": list(names)})
