"""Load one extension as one of the program's processes would, and say what it brings: a program of its own."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import cast

from webui.author.source_rules import HEAVY
from webui.plugins.loader import Process, load_plugins


def main(arguments: list[str]) -> int:
    """arguments: "web" or "worker", and the extension's folder. 1 where it was left out, or brings what it must not."""
    process, folder = cast(Process, arguments[0]), Path(arguments[1])
    # What it is left out for is told below.
    logging.disable()
    (report,) = load_plugins([folder], process).reports
    if not report.ok:
        sys.stdout.write(f"{report.problem}\n{report.trace}\n")
        return 1
    heavy = sorted(name for name in HEAVY if name in sys.modules)
    if process == "web" and heavy:
        sys.stdout.write(f"with it the page's process loads {', '.join(heavy)}: that belongs in worker.py\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
