"""Load one extension as one of the program's processes would, and say what it brings: a program of its own."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import cast

from webui.author.source_rules import HEAVY
from webui.core.errors import DarkroomError
from webui.plugins.loader import Process, load_plugins
from webui.plugins.manager import Plugins
from webui.plugins.manifest import read_manifest
from webui.plugins.resolve import resolve
from webui.plugins.rows import functions_of


def main(arguments: list[str]) -> int:
    """arguments: "web" or "worker", and the extension's folder. 1 where it was left out, or brings what it must not,
    or where a row names a function that is not there.

    "names" in the place of a process: the names of its fields and scripts as JSON, on the last line.
    """
    asked, folder = arguments[0], Path(arguments[1])
    process = cast(Process, "web" if asked == "names" else asked)
    # What it is left out for is told below.
    logging.disable()
    plugins = load_plugins([folder], process)
    (report,) = plugins.reports
    if not report.ok:
        sys.stdout.write(f"{report.problem}\n{report.trace}\n")
        return 1
    if asked == "names":
        rows = [row for panel in plugins.panels.values() for row in panel.rows.items()]
        scripts = [row.name for row in plugins.table("scripts")]
        sys.stdout.write("\n" + json.dumps({"fields": {n: row.choices for n, row in rows}, "scripts": scripts}) + "\n")
        return 0
    if process == "worker":
        missing = _missing(plugins, folder)
        if missing:
            sys.stdout.write("\n".join(missing) + "\n")
            return 1
    heavy = sorted(name for name in HEAVY if name in sys.modules)
    if process == "web" and heavy:
        sys.stdout.write(f"with it the page's process loads {', '.join(heavy)}: that belongs in worker.py\n")
        return 1
    return 0


def _missing(plugins: Plugins, folder: Path) -> list[str]:
    """What its rows name and nothing is; found here in the worker, where all of its modules may be imported."""
    package = read_manifest(folder).package
    found = []
    for row, function in functions_of(plugins.table, package):
        try:
            resolve(function)
        except (Exception, SystemExit) as error:  # noqa: BLE001 whatever a module does when it is imported
            said = error.detail if isinstance(error, DarkroomError) else f"{type(error).__name__}: {error}"
            found.append(f"{row} names {function.removeprefix(package + '.')}: {said.replace(package + '.', '')}")
    return list(dict.fromkeys(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
