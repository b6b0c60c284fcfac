"""launch.py bench: measure this machine, print a table, write JSON."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from webui.commands.common import begin, command_parser, table, with_flags, write_line
from webui.core.command_line import one_of, path, whole
from webui.core.errors import DarkroomError, InvalidField
from webui.core.flags import to_options

_FILE = "bench.json"


def run(arguments: list[str]) -> int:
    """Run the bench; exit code 0 when every bar was met, else 1."""
    try:
        # The bench lies beside the package, not in it, and brings diffusers' names and a browser's driver.
        from tools.bench.results import Row, cells, report, write
        from tools.bench.run import PARTS, Plan, bench
    except ModuleNotFoundError as error:
        raise DarkroomError(
            f"The bench needs the program's own folder: there is no {error.name}.",
            remedies=("Start it as `python launch.py bench` in the folder that you cloned",),
        ) from error
    parser = command_parser("bench", "Measure speed against plain diffusers and a bare Gradio page.", "[PART ...]")
    what = f"what to measure: {', '.join(PARTS)} (default: all)"
    parser.add_argument("parts", nargs="*", type=one_of(*PARTS), metavar="PART", help=what)
    parser.add_argument("--thorough", action="store_true", help="three times as many pairs")
    parser.add_argument("--steps", type=whole(1), default=20, help="steps of a picture (default: 20)")
    parser.add_argument("--threads", type=whole(0), default=0, help="CPU threads of both sides (default: torch's own)")
    parser.add_argument("-o", "--output", type=path, help=f"the JSON file (default: data/{_FILE})")
    given = with_flags(parser).parse_args(arguments)
    output = given.output or to_options(given).paths.state / _FILE
    if not output.parent.is_dir() and given.output:
        raise InvalidField(f"The folder {output.parent} of -o is not there.", remedies=("Make it first",))
    options = begin(given, "ERROR")
    plan = Plan(
        options.paths,
        given.parts or PARTS,
        thorough=given.thorough,
        steps=given.steps,
        device=options.devices[0],
        precision=options.precision,
        threads=given.threads,
        flags=_server_flags(options.devices[0]),
    )
    rows: list[Row] = []

    class Console:
        """Says what goes on, on stderr, so that stdout is the table alone."""

        def stage(self, text: str) -> None:
            sys.stderr.write(f"{text} ...\n")

        def found(self, row: Row) -> None:
            rows.append(row)
            sys.stderr.write("  " + "  ".join(filter(None, cells(row))) + "\n")

    asyncio.run(bench(plan, Console()))
    write_line(table([["What", "Found", "Bar", "", "Figures"], *(cells(row) for row in rows)]))
    setup = {"parts": list(plan.parts), "steps": plan.steps, "threads": plan.threads, "thorough": plan.thorough}
    write(output, report(rows, setup))
    write_line(f"\nWritten to {output}")
    return 1 if any(row.met is False for row in rows) else 0


def _server_flags(device: str) -> Sequence[str]:
    return ("--use-cpu", "all") if device == "cpu" else ()
