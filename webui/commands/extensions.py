"""launch.py extensions: what was found in the extension folders, and what became of it."""

from __future__ import annotations

import json

from webui.commands.common import begin, command_parser, settings_store, table, with_flags, write_line
from webui.core.command_line import one_of
from webui.plugins.loader import load_plugins
from webui.plugins.manager import ExtensionReport


def run(arguments: list[str]) -> int:
    """List the extensions; 1 when one of them is broken."""
    parser = command_parser("extensions", "List the extensions and what became of them.")
    parser.add_argument("action", nargs="?", type=one_of("list"), default="list", help="list them (the default)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, for programs")
    given = with_flags(parser).parse_args(arguments)
    options = begin(given, "ERROR")
    reports = load_plugins(options.paths.extensions, "web", settings_store(options).current.disabled_extensions).reports
    if given.json:
        for report in reports:
            write_line(json.dumps(_facts(report), ensure_ascii=False))
    elif reports:
        write_line(table([(r.name, r.version or "-", _became(r)) for r in reports]))
    else:
        write_line(f"There are no extensions in {' or '.join(map(str, options.paths.extensions)) or 'no folder'}.")
    return int(any(report.enabled and not report.ok for report in reports))


def _became(report: ExtensionReport) -> str:
    return "loaded" if report.ok else report.problem if report.enabled else "switched off"


def _facts(report: ExtensionReport) -> dict[str, object]:
    return {
        "name": report.name,
        "version": report.version,
        "title": report.title,
        "ok": report.ok,
        "enabled": report.enabled,
        "problem": report.problem,
        "folder": str(report.folder),
    }
