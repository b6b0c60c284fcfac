"""launch.py queue: the jobs that run and wait, and what can be done to them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from webui.commands.common import begin, command_parser, table, with_flags, write_line
from webui.commands.session import Session, open_session
from webui.core.command_line import one_of
from webui.core.errors import InvalidField, UnknownName

_ON_JOBS = ("interrupt", "skip", "cancel", "front")
_ON_THE_LINE = ("pause", "resume", "clear")
_DONE = {
    "interrupt": "It ends after its current picture.",
    "skip": "It goes on with its next picture.",
    "cancel": "It is cancelled.",
    "front": "It is next.",
    "pause": "No more jobs are started until `queue resume`.",
    "resume": "Jobs are started again.",
    "clear": "The waiting jobs are cancelled.",
}
_PROMPT = 48


def run(arguments: list[str]) -> int:
    """List the jobs, or act."""
    parser = command_parser("queue", "List the jobs that run and wait, and act on them.", "[ACTION [JOB]]")
    parser.add_argument(
        "action",
        nargs="?",
        type=one_of("list", *_ON_JOBS, *_ON_THE_LINE),
        default="list",
        help="list (the default); for one job: interrupt, skip, cancel, front; for the line: pause, resume, clear",
    )
    parser.add_argument("job", nargs="?", default="", help="the job's id, or as much of its beginning as is needed")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, for programs")
    given = with_flags(parser).parse_args(arguments)
    if given.action in _ON_JOBS and not given.job:
        raise InvalidField(f"queue {given.action} needs the id of a job.", remedies=("launch.py queue lists them",))
    if given.job and given.action not in _ON_JOBS:
        raise InvalidField(f"queue {given.action} is not for one job.", remedies=(f"Leave '{given.job[:40]}' out",))
    options = begin(given, "ERROR")

    async def work() -> None:
        async with open_session(options) as session:
            if given.action == "list":
                _show(await session.queue(), given.json)
            else:
                await session.act(given.action, await _find(session, given.job) if given.job else "")
                write_line(_DONE[given.action])

    asyncio.run(work())
    return 0


async def _find(session: Session, beginning: str) -> str:
    ids = [str(job["id"]) for job in (await session.queue())["jobs"]]
    found = [known for known in ids if known.startswith(beginning)]
    if len(found) > 1:
        raise InvalidField(f"Several jobs begin with '{beginning}': {', '.join(found[:5])}.")
    if not ids:
        raise InvalidField(f"There is no job '{beginning[:40]}': none runs and none waits.")
    if not found:
        raise UnknownName("job", beginning, ids)
    return found[0]


def _show(queue: dict[str, Any], as_json: bool) -> None:
    if as_json:
        for job in queue["jobs"]:
            write_line(json.dumps(job, ensure_ascii=False))
        return
    paused = "; the queue is paused" if queue["paused"] else ""
    write_line(f"{queue['running']} running, {queue['waiting']} waiting{paused}.")
    if queue["jobs"]:
        write_line(table([_row(job) for job in queue["jobs"]]))


def _row(job: dict[str, Any]) -> tuple[str, str, str, str]:
    request = job["request"]
    place = job["state"] if job["position"] is None else f"waiting, {job['position'] + 1}."
    prompt = " ".join(str(job["summary"]).split())
    what = job["task"]
    if "width" in request:
        what = f"{request['width']}x{request['height']} x {request['n_iter'] * request['batch_size']}"
    return job["id"], place, what, prompt if len(prompt) <= _PROMPT else prompt[: _PROMPT - 3] + "..."
