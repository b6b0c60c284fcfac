"""launch.py extensions: what was found in the extension folders and what became of it; the way to the changes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from webui.commands.common import begin, command_parser, settings_store, table, with_flags, write_line
from webui.core.command_line import one_of, split_command
from webui.core.errors import InvalidField
from webui.extension_life.overlay import core_packages, missing
from webui.extension_life.pointer import use_packages
from webui.extension_life.records import Records
from webui.plugins.loader import load_plugins
from webui.plugins.manager import ExtensionReport
from webui.plugins.manifest import read_manifest
from webui.plugins.resolve import resolve

ACTIONS: Mapping[str, str] = MappingProxyType(
    {
        "new": "webui.commands.extensions_author:new",
        "check": "webui.commands.extensions_author:check_one",
        "dev": "webui.commands.extensions_author:dev",
        "add": "webui.commands.extensions_add:add",
        "update": "webui.commands.extensions_add:update",
        "search": "webui.commands.extensions_add:search",
        "enable": "webui.commands.extensions_switch:enable",
        "disable": "webui.commands.extensions_switch:disable",
        "remove": "webui.commands.extensions_switch:remove",
        "restore": "webui.commands.extensions_switch:restore",
        "packages": "webui.commands.extensions_switch:packages",
    }
)
"""What is done with extensions besides listing them, each with a --help of its own."""


def run(arguments: list[str]) -> int:
    """Do what the first word says; by itself list the extensions: 1 when one of them is broken."""
    action, rest = _action(arguments)
    if action:
        code: int = resolve(ACTIONS[action])(rest)
        return code
    return _list(arguments)


def _action(arguments: list[str]) -> tuple[str, list[str]]:
    """(the action that is named, the other arguments); "" for the list."""
    try:
        name, rest = split_command(arguments, ACTIONS)
    except InvalidField:
        return "", arguments
    return (name, rest) if name in ACTIONS else ("", arguments)


def _list(arguments: list[str]) -> int:
    parser = command_parser("extensions", "List the extensions and what became of them.")
    parser.epilog = f"Each with a --help of its own: launch.py extensions {' | '.join(ACTIONS)}"
    parser.add_argument("action", nargs="?", type=one_of("list", *ACTIONS), default="list", help="list (the default)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, for programs")
    given = with_flags(parser).parse_args(arguments)
    options = begin(given, "ERROR")
    paths = options.paths
    if paths.use_extensions:
        use_packages(paths.state)
    reports = load_plugins(paths.extensions, "web", settings_store(options).current.disabled_extensions).reports
    records = Records(paths.state)
    if given.json:
        for report in reports:
            write_line(json.dumps(_facts(report, records), ensure_ascii=False))
    elif reports:
        core = core_packages(paths.state)
        write_line(table([(r.name, r.version or "-", _became(r, paths.state, core)) for r in reports]))
    else:
        write_line(f"There are no extensions in {' or '.join(map(str, paths.extensions)) or 'no folder'}.")
    return int(any(report.enabled and not report.ok for report in reports))


def _became(report: ExtensionReport, state: Path, core: Mapping[str, str]) -> str:
    if not report.ok:
        return report.problem if report.enabled else "switched off"
    lacks = missing(read_manifest(report.folder).dependencies, state, core) if report.folder else []
    return f"loaded, but lacks {', '.join(lacks)}: launch.py extensions packages" if lacks else "loaded"


def _facts(report: ExtensionReport, records: Records) -> dict[str, object]:
    record = records.get(report.name)
    return {
        "name": report.name,
        "version": report.version,
        "title": report.title,
        "ok": report.ok,
        "enabled": report.enabled,
        "problem": report.problem,
        "folder": str(report.folder),
        "source": record.source.words if record else None,
        "pin": record.pin if record else None,
        "sha256": record.sha256 if record else None,
    }
