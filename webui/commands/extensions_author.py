"""launch.py extensions new, check and dev: a folder to begin from, what is wrong with it, and work on it."""

from __future__ import annotations

import asyncio
import logging
import shlex
import signal
from pathlib import Path

from webui.author.check import Finding, check
from webui.author.dev import Server, follow
from webui.author.skeleton import KINDS, write_skeleton
from webui.commands.common import begin, command_parser, with_flags, write_line
from webui.commands.remote import RemoteSession
from webui.core.command_line import one_of
from webui.core.errors import Conflict, DarkroomError, InvalidField, UnknownName
from webui.core.flags import COMMON, PAGE, PEOPLE
from webui.core.options import Options
from webui.core.paths import PROGRAM_DIR, Paths
from webui.extension_life.task import Task
from webui.instance import Instance, running
from webui.plugins.manifest import FILE, read_manifest

log = logging.getLogger(__name__)

_LINES = 80
"""So many lines of what a part said are shown; the last ones, in which tools say what it comes to."""


def new(arguments: list[str]) -> int:
    """Write an extension that works, to be changed into another."""
    parser = command_parser("extensions new", "Write an extension that works, with a test: to be changed.", "NAME")
    parser.add_argument("name", metavar="NAME", help="small letters, digits, - and _; its folder's name too")
    said = f"what it is to become: {', '.join(KINDS)}; a filter where it is not said"
    parser.add_argument("--kind", type=one_of(*KINDS), default=KINDS[0], metavar="KIND", help=said)
    given = with_flags(parser, ()).parse_args(arguments)
    options = begin(given, "ERROR")
    folder = write_skeleton(given.name, _own(options.paths), given.kind)
    # Looked for in the same data folder.
    where = f" --data-dir {shlex.quote(str(options.data_dir))}" if options.data_dir != PROGRAM_DIR else ""
    write_line(f"{folder} is an extension now. Try it: launch.py extensions check {folder.name}{where}")
    return 0


def check_one(arguments: list[str]) -> int:
    """Say what is wrong with an extension; 1 where something is."""
    parser = command_parser("extensions check", "Look at an extension as its users' machines will.", "NAME")
    parser.add_argument("name", metavar="NAME", help="an extension, or the folder of one")
    given = with_flags(parser, ()).parse_args(arguments)
    options, wrong, left_out = begin(given, "ERROR"), list[str](), list[str]()
    # Gradio comes with the page's texts, and takes seconds.
    from webui.ui.texts import EN

    write_line(f"{'part':<10}outcome")
    for finding in check(_folder_of(given.name, options), options.paths.state / "extensions-types", EN):
        wrong += [finding.part] if finding.outcome == "wrong" else []
        left_out += [finding.part] if finding.outcome == "left out" else []
        for line in _lines(finding):
            write_line(line)
    unseen = f" Left out: {', '.join(left_out)}." if left_out else ""
    write_line((f"Wrong: {', '.join(wrong)}." if wrong else "Nothing is wrong.") + unseen)
    return int(bool(wrong))


def dev(arguments: list[str]) -> int:
    """Run the page, and have begin anew what an extension's saved files concern, until Ctrl+C."""
    parser = command_parser("extensions dev", "Run Darkroom while you write an extension of it.", "NAME [FLAGS]")
    parser.add_argument("name", metavar="NAME", help="an extension in the extensions folder")
    given = with_flags(parser, (PAGE, PEOPLE, *COMMON)).parse_args(arguments)
    options = begin(given)
    folder = _folder_of(given.name, options)
    if folder.parent not in [parent.resolve() for parent in options.paths.extensions]:
        raise InvalidField(
            f"{folder} is in no folder that Darkroom loads extensions from.",
            field="name",
            remedies=(f"Move it into {_own(options.paths)}", "Link it there"),
        )
    if instance := running(options.paths):
        raise Conflict(
            f"Darkroom already runs on this data folder at {instance.url}.",
            remedies=("Stop it: `extensions dev` runs its own",),
        )

    def end(number: int, frame: object) -> None:
        # So that the server which was started here is ended with it.
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)

    def renew() -> None:
        if instance := running(options.paths):
            try:
                asyncio.run(renew_for(folder, instance))
            except DarkroomError as error:
                log.warning("The workers were not renewed. %s", error)

    given_on = [argument for argument in arguments if argument != given.name]
    return follow(folder, Server(given_on), renew, lambda words: write_line(words))


async def renew_for(folder: Path, instance: Instance) -> None:
    """Have fresh workers load the extension in `folder`. One that was switched off for what it did is on again then:
    whoever writes it has mended it.
    """
    name = read_manifest(folder).name
    async with RemoteSession.open(instance) as session:
        found = await session.extensions()
        is_off = any(card["name"] == name and not card["on"] for card in found["extensions"])
        if is_off and not found["locked"]:
            write_line(f"{name} was switched off, and is switched on again.")
            await session.switch_extension(name, Task(), on=True)
        await session.renew_workers()


def _lines(finding: Finding) -> list[str]:
    said = finding.details.splitlines()
    kept = said if finding.outcome == "wrong" else said[-1:]
    more = [f"  ({len(kept) - _LINES} lines more)"] if len(kept) > _LINES else []
    head = f"{finding.part:<10}{finding.outcome}"
    if finding.outcome != "wrong" and kept:
        return [f"{head:<20}{kept[0]}"]
    return [head, *more, *(f"  {line}" for line in kept[-_LINES:])]


def _folder_of(name: str, options: Options) -> Path:
    """The folder of an extension; raises UnknownName."""
    if (Path(name) / FILE).is_file():
        return Path(name).resolve()
    found = [folder for parent in options.paths.extensions if parent.is_dir() for folder in parent.iterdir()]
    for folder in found:
        if folder.name == name and folder.is_dir():
            return folder.resolve()
    raise UnknownName("extension", name, sorted(folder.name for folder in found if folder.is_dir()), field="name")


def _own(paths: Paths) -> Path:
    """Where a person's own extensions lie."""
    return paths.data_dir / "extensions"
