"""launch.py extensions add, update and search: what is fetched is shown before anything is installed."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict

from webui.commands.common import command_parser, table, with_flags, write_line
from webui.commands.extensions_common import Shown, confirmed, next_start, open_life
from webui.core.errors import DarkroomError
from webui.core.options import Options
from webui.extension_life.life import Life
from webui.extension_life.plan import Plan
from webui.plugins.manifest import PERMISSIONS

_EXAMPLES = """\
examples:
  launch.py extensions add https://github.com/owner/name@v1.2
  launch.py extensions add name.zip --sha256 0123...
  launch.py extensions add ../folder-that-i-write
  launch.py extensions add pypi:name==1.2
"""


def add(arguments: list[str]) -> int:
    """Look at an extension, show what it is, install it when the person agrees; 1 when they don't."""
    parser = command_parser("extensions add", "Install an extension.", "SOURCE")
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EXAMPLES
    parser.add_argument("source", metavar="SOURCE", help="a git address, an archive, a folder, or pypi:name==version")
    parser.add_argument("--ref", default="", help="a branch, tag, commit or version")
    parser.add_argument("--sha256", default="", metavar="SUM", help="refuse anything else")
    _add_yes(parser)
    given = with_flags(parser, ()).parse_args(arguments)
    life, options = open_life(given)
    with Shown() as task:
        plan = life.look(given.source, task, given.ref, given.sha256)
    return _decide(life, plan, given, options)


def update(arguments: list[str]) -> int:
    """Show what an update would change and do it when the person agrees; without a name say what there is newer."""
    parser = command_parser("extensions update", "Update an extension, or list what there is newer.", "[NAME]")
    parser.add_argument("name", nargs="?", default="", metavar="NAME", help="an installed extension")
    parser.add_argument("--ref", default="", help="another branch, tag, commit or version")
    _add_yes(parser)
    given = with_flags(parser, ()).parse_args(arguments)
    life, options = open_life(given)
    if not given.name:
        return _newer(life, given)
    with Shown() as task:
        plan = life.look_update(given.name, task, given.ref)
    return _decide(life, plan, given, options)


def search(arguments: list[str]) -> int:
    """List the extensions of the indexes that have these words; 1 when there are none."""
    parser = command_parser("extensions search", "Search the lists that the settings name.", "[WORD ...]")
    parser.add_argument("words", nargs="*", metavar="WORD")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, for programs")
    given = with_flags(parser, ()).parse_args(arguments)
    life, _ = open_life(given)
    found = life.search(" ".join(given.words))
    for problem in found.problems:
        sys.stderr.write(f"{problem}\n")
    if given.json:
        for row in found.rows:
            write_line(json.dumps(asdict(row), ensure_ascii=False))
    elif found.rows:
        write_line(table([(row.name, row.version or "-", row.source, row.description[:80]) for row in found.rows]))
    else:
        write_line("No extension was found. The setting extension_indexes names the lists that are searched.")
    return int(not found.rows)


def _add_yes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--yes", "-y", action="store_true", help="install it without asking")
    parser.add_argument("--json", action="store_true", help="what was found as JSON, for programs")


def _newer(life: Life, given: argparse.Namespace) -> int:
    with Shown() as task:
        found = life.newer(task)
    for one in found:
        if given.json:
            write_line(json.dumps(asdict(one), ensure_ascii=False))
        else:
            write_line(f"{one.name}: {one.problem or (one.newest and f'update to {one.newest}') or 'the newest'}")
    if not found and not given.json:
        write_line("No installed extension has a known origin.")
    return int(any(one.problem for one in found))


def _decide(life: Life, plan: Plan, given: argparse.Namespace, options: Options) -> int:
    try:
        if given.json:
            write_line(json.dumps(plan.to_json(), ensure_ascii=False))
        else:
            sys.stderr.write("".join(f"{line}\n" for line in _lines(plan)))
        if plan.problem:
            raise DarkroomError(plan.problem)
        if not confirmed("Install it?", yes=given.yes):
            write_line("Nothing was changed.")
            return 1
        with Shown() as task:
            record = life.install(plan.id, task)
    finally:
        life.discard(plan.id)
    write_line(f"{record.name} {record.version} is installed. {next_start(options)}")
    return 0


def _lines(plan: Plan) -> Iterator[str]:
    """What the person decides upon. What a stranger wrote stays on its line."""
    manifest, staged = plan.staged.manifest, plan.staged
    permissions = [f"{word} ({PERMISSIONS[word]})" for word in manifest.permissions]
    facts = {
        "from": staged.source.words,
        "pin": staged.pin,
        "sha256": staged.sha256,
        "size": f"{plan.size_bytes / 1024:,.0f} KiB in {plan.files:,} files",
        "author": manifest.author,
        "licence": manifest.license,
        "asks for": ", ".join(permissions) or "no permission",
        "packages": ", ".join(manifest.dependencies) or "none",
        "requires": ", ".join(f"{name} (not here)" if name in plan.absent else name for name in manifest.requires),
        "brings": ", ".join(manifest.contributes or plan.hooks),
    }
    yield f"{_plain(manifest.title)} ({manifest.name}) {_plain(manifest.version)}"
    if manifest.description:
        yield f"  {_plain(manifest.description)}"
    for name, value in facts.items():
        if value:
            yield f"  {name:<10}{_plain(value)}"
    for change in plan.changes:
        yield f"  * {_plain(change)}"
    yield "  An extension is a program: it can do all that you can do on this machine."


def _plain(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)[:500]
