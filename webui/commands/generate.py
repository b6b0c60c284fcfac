"""launch.py generate: pictures without a page, through the running server or with a worker of our own."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from webui.commands.common import begin, command_parser, parse_flags, settings_store, with_flags, write_line
from webui.commands.progress import Progress
from webui.commands.session import Session, open_session
from webui.core.command_line import OF_GENERATE, Parser, path
from webui.core.errors import DarkroomError, InvalidField, StorageProblem
from webui.core.events import Cancelled, Event, Failed, Finished, ImageReady, Note, event_to_json
from webui.core.field import split_names
from webui.core.fields import ROWS, Field
from webui.core.flags import BY_NAME
from webui.core.groups import GROUPS
from webui.core.panels import EXTENSIONS, NO_PANELS, Panels
from webui.extension_life.pointer import use_packages
from webui.plugins.loader import build_registry, load_plugins

_SIZE = re.compile(r"(\d+)\s*[xX×*]\s*(\d+)")

_REQUEST = 'A request is written as {"prompt": "a red circle", "seed": 7}'

EXAMPLES = """\
examples:
  launch.py generate "a red circle on a blue background" --seed 7 -o out.png
  launch.py generate "a green star" --count 4 --size 128x128 --sampler "Euler a"
  launch.py generate --request request.json --json
"""


def run(arguments: list[str]) -> int:
    """Make the pictures; 0 when all were made, or the script has ended well."""
    panels = known_panels(arguments)
    given = command_line(panels).parse_args(arguments)
    values = request_values(given, panels)
    output = given.output and _checked_output(given.output)
    options = begin(given, "WARNING")

    async def work() -> int:
        async with open_session(options) as session:
            return await Generation(session, output, as_json=given.json).run(values, given.script)

    return asyncio.run(work())


def known_panels(arguments: list[str]) -> Panels:
    """The fields of the extensions that are switched on; none, at no cost, where no word here could be about them."""
    own = (*OF_GENERATE, *BY_NAME, "--json", "--")
    if all(word.partition("=")[0] in own for word in arguments if word == "-h" or word.startswith("--")):
        return NO_PANELS
    options = parse_flags(arguments)
    disabled = settings_store(options).current.disabled_extensions
    if options.paths.use_extensions:
        use_packages(options.paths.state)
    return build_registry(load_plugins(options.paths.extensions, "web", disabled)).panels


def command_line(panels: Panels = NO_PANELS) -> Parser:
    """What reads this command's line."""
    parser = command_parser(
        "generate", "Make pictures without a page. What is left out is the checkpoint's default.", "PROMPT"
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLES
    parser.add_argument("prompt", nargs="?", default=argparse.SUPPRESS, help="what the picture should show")
    parser.add_argument(
        "-o", "--output", type=path, metavar="FILE", help="also write the picture there: a .png file or a folder"
    )
    parser.add_argument("--request", metavar="FILE", help="a request as JSON, - for stdin; flags change its values")
    parser.add_argument("--script", default="", metavar="NAME", help="start this script of an extension with it")
    parser.add_argument("--size", metavar="WxH", help="width and height in one, as 512x768")
    parser.add_argument("--json", action="store_true", help="the job's events on stdout, one JSON object a line")
    group = parser.add_argument_group("the picture")
    for field in ROWS:
        _add_field(group, field)
    for one in GROUPS.values():
        group = parser.add_argument_group(f"{one.switch.label}: {one.switch.help[0].lower()}{one.switch.help[1:]}")
        for field in (one.switch, *one.rows):
            _add_field(group, field)
    for panel in panels.values():
        group = parser.add_argument_group(f"the extension {panel.name}: {panel.title}")
        for field in panel.rows.values():
            _add_field(group, field)
    return with_flags(parser)


def _add_field(group: Any, field: Field) -> None:
    names = [field.flag, *field.flags]
    text = field.help.replace("%", "%%")
    if field.kind == "bool":
        yes_or_no = argparse.BooleanOptionalAction
        group.add_argument(*names, dest=field.name, action=yes_or_no, default=argparse.SUPPRESS, help=text)
        return
    if field.kind == "names":
        text += " With commas between them, or the flag several times."
        given: dict[str, Any] = {"action": "extend", "type": split_names, "default": argparse.SUPPRESS, "help": text}
        group.add_argument(*names, dest=field.name, metavar="NAMES", **given)
        return
    if field.kind in ("int", "float") and field.minimum is not None:
        text += f" From {field.minimum:g} to {field.maximum:.10g}."
    metavar = {"int": "N", "float": "X"}.get(field.kind, "TEXT" if field.kind == "text" else "NAME")
    reader = _number if field.kind in ("int", "float") else str
    group.add_argument(*names, dest=field.name, type=reader, metavar=metavar, default=argparse.SUPPRESS, help=text)


def _number(text: str) -> int | float | str:
    """The number, if it is one; else the text, which its row refuses together with all else that is wrong."""
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return text


def request_values(given: argparse.Namespace, panels: Panels = NO_PANELS) -> dict[str, Any]:
    """The request's values: the file's, with the flags' over them. Raises InvalidField."""
    values = _from_file(given.request) if given.request else {}
    if given.size:
        found = _SIZE.fullmatch(given.size.strip())
        if found is None:
            raise InvalidField(
                f"--size is written as 512x768, not '{given.size[:40]}'.",
                field="width",
                remedies=("Or give --width and --height",),
            )
        values |= {"width": int(found[1]), "height": int(found[2])}
    values |= {field.name: getattr(given, field.name) for field in ROWS if hasattr(given, field.name)}
    _take_groups(given, values)
    asked = _of_extensions(given, values.get(EXTENSIONS), panels)
    if asked:
        values[EXTENSIONS] = asked
    if not str(values.get("prompt", "")).strip():
        raise InvalidField(
            "Say what the picture should show.", field="prompt", remedies=('launch.py generate "a red circle"',)
        )
    return values


def _take_groups(given: argparse.Namespace, values: dict[str, Any]) -> None:
    """Put the flags of groups into the values: over what a file says of them, and a flag of one switches it on.

    Raises InvalidField for flags of a group that is switched off.
    """
    for name, group in GROUPS.items():
        flags = {row.name: getattr(given, row.name) for row in group.rows if hasattr(given, row.name)}
        on = getattr(given, group.switch.name, None)
        if on is False:
            if flags:
                raise group.switch.refuse("is off, and its flags are given.", f"Leave --no-{name} out")
            values |= {name: None, group.switch.name: False}
        elif on or flags:
            values |= {**flags, group.switch.name: True}


def _of_extensions(given: argparse.Namespace, stored: Any, panels: Panels) -> Any:
    """What the file asks of extensions, with the flags' values over it; a file's that are no object are left as is."""
    flags = {
        name: {field: getattr(given, row.name) for field, row in panel.rows.items() if hasattr(given, row.name)}
        for name, panel in panels.items()
    }
    flags = {name: values for name, values in flags.items() if values}
    if not flags or not isinstance(stored, dict | None):
        return stored
    own = {name: values for name, values in (stored or {}).items() if isinstance(values, dict) or name not in flags}
    return {**own, **{name: {**own.get(name, {}), **values} for name, values in flags.items()}}


def _from_file(name: str) -> dict[str, Any]:
    try:
        values = json.loads(sys.stdin.read() if name == "-" else Path(name).read_text("utf-8"))
    except OSError as error:
        raise InvalidField(
            f"The request {name} cannot be read: {error.strerror or error}.", remedies=("Correct the path",)
        ) from error
    except UnicodeDecodeError as error:
        raise InvalidField(f"The request {name} is no text in UTF-8.", remedies=(_REQUEST,)) from error
    except (ValueError, RecursionError) as error:
        raise InvalidField(f"The request {name} is no JSON: {error}.", remedies=(_REQUEST,)) from error
    if not isinstance(values, dict):
        raise InvalidField(f"The request {name} is no JSON object.", remedies=(_REQUEST,))
    return {field: value for field, value in values.items() if value is not None}


def _checked_output(output: Path) -> Path:
    """The path, if pictures can be written there; found out before anything is computed."""
    if not output.is_dir() and output.suffix.casefold() != ".png":
        raise InvalidField(
            f"-o names {output}, which is neither a folder nor a .png file.",
            remedies=(f"-o {output.with_suffix('.png')}",),
        )
    if not output.exists() and not output.parent.is_dir():
        raise InvalidField(
            f"The folder {output.parent} of -o is not there.", remedies=("Make it first, or correct the path",)
        )
    if not os.access(output if output.exists() else output.parent, os.W_OK):
        raise InvalidField(f"-o names {output}, which this user may not write.", remedies=("Choose another place",))
    return output


class Generation:
    """One job from its submission to its files."""

    def __init__(self, session: Session, output: Path | None, *, as_json: bool) -> None:
        self._session = session
        self._output = output
        self._as_json = as_json
        self._progress = Progress(sys.stderr)
        self._stops: set[asyncio.Task[None]] = set()

    async def run(self, values: dict[str, Any], script: str = "") -> int:
        """Submit, follow and write; the exit code. script: starts this one with the values."""
        job_id = await self._session.submit(values, script)
        self._stop_on_ctrl_c(job_id)
        # How many a script makes of its own is known when they are there.
        pictures = int(values.get("n_iter", 1)) * int(values.get("batch_size", 1))
        several = not script and (pictures > 1 or bool(values.get("combinatorial")))
        end: Event | None = None
        # What was found when it was accepted is no event of the job.
        told = await self._session.notes(job_id)
        for note in told:
            self._tell(Note(note), job_id)
        async for event in self._session.events(job_id):
            if isinstance(event, Note) and event.text in told:
                continue
            file = await self._write(event, several) if isinstance(event, ImageReady) else ""
            self._tell(event, job_id, file)
            end = event
        return self._ended(end, needs_pictures=not script)

    def _tell(self, event: Event, job_id: str, file: str = "") -> None:
        """Write an event for a program, or draw it for a person. file: where the picture lies that it is about."""
        if self._as_json:
            write_line(json.dumps({"job": job_id, **event_to_json(event), **({"file": file} if file else {})}))
            return
        self._progress.show(event)
        if file:
            self._progress.clear()
            write_line(file)

    def _ended(self, end: Event | None, *, needs_pictures: bool) -> int:
        if not self._as_json:
            for line in _last_words(end):
                self._progress.line(line)
        done = isinstance(end, Finished) and not end.interrupted and (end.pictures or not needs_pictures)
        return 0 if done else 1

    async def _write(self, ready: ImageReady, several: bool) -> str:
        place = await self._session.place(ready.id)
        if self._output is None:
            return place
        if self._output.is_dir():
            file = self._output / f"{ready.seed}-{ready.id}.png"
        elif several or ready.index:
            file = self._output.with_stem(f"{self._output.stem}-{ready.index + 1}")
        else:
            file = self._output
        try:
            file.write_bytes(await self._session.picture(ready.id))
        except OSError as error:
            raise StorageProblem(
                f"{file} cannot be written: {error.strerror or error}.", remedies=(f"The picture lies at {place}",)
            ) from error
        return str(file)

    def _stop_on_ctrl_c(self, job_id: str) -> None:
        """The first Ctrl+C ends after this picture, the second at this step, the third cancels the job."""
        loop = asyncio.get_running_loop()
        presses = iter(
            (
                ("interrupt", "Stopping after this picture; again: at this step."),
                ("interrupt", "Stopping at this step; again: without a picture."),
                ("cancel", "Cancelling."),
            )
        )

        def pressed() -> None:
            verb, text = next(presses, ("cancel", "Cancelling."))
            self._progress.line(text)
            task = asyncio.ensure_future(self._act(verb, job_id))
            self._stops.add(task)
            task.add_done_callback(self._stops.discard)

        signal.signal(signal.SIGINT, lambda *_: loop.call_soon_threadsafe(pressed))

    async def _act(self, verb: str, job_id: str) -> None:
        try:
            await self._session.act(verb, job_id)
        except DarkroomError as error:
            self._progress.line(error.detail)


def _last_words(end: Event | None) -> list[str]:
    """What a person should know of an end that the files do not show."""
    match end:
        case Failed(problem):
            return [problem.detail, *(f"  - {way}" for way in problem.remedies)]
        case Cancelled():
            return ["The job was cancelled."]
        case Finished(pictures=pictures, interrupted=True):
            return [f"The job was stopped; {pictures} {'picture was' if pictures == 1 else 'pictures were'} made."]
    return []
