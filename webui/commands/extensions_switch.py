"""launch.py extensions enable, disable, remove, restore and packages."""

from __future__ import annotations

import argparse

from webui.commands.common import command_parser, with_flags, write_line
from webui.commands.extensions_common import Shown, next_start, open_life


def enable(arguments: list[str]) -> int:
    """Switch an extension on; packages that it lacks are installed first."""
    given = _named("enable", "Switch an extension on.", arguments)
    life, options = open_life(given)
    with Shown() as task:
        life.enable(given.name, task)
    write_line(f"{given.name} is switched on. {next_start(options)}")
    return 0


def disable(arguments: list[str]) -> int:
    """Switch an extension off."""
    given = _named("disable", "Switch an extension off.", arguments)
    life, options = open_life(given)
    life.disable(given.name)
    write_line(f"{given.name} is switched off. {next_start(options)}")
    return 0


def remove(arguments: list[str]) -> int:
    """Move an extension into the bin."""
    given = _named("remove", "Move an extension into the bin.", arguments)
    life, options = open_life(given)
    life.remove(given.name)
    write_line(f"{given.name} is in the bin; launch.py extensions restore {given.name} takes it back. "
               f"{next_start(options)}")  # fmt: skip
    return 0


def restore(arguments: list[str]) -> int:
    """Take an extension out of the bin."""
    given = _named("restore", "Take an extension out of the bin.", arguments)
    life, options = open_life(given)
    life.restore(given.name)
    write_line(f"{given.name} is back. {next_start(options)}")
    return 0


def packages(arguments: list[str]) -> int:
    """Install what the extensions that are on need, all resolved together."""
    parser = command_parser("extensions packages", "Install the packages that extensions need.")
    given = with_flags(parser, ()).parse_args(arguments)
    life, options = open_life(given)
    with Shown() as task:
        life.install_packages(task)
    write_line(f"The packages of all extensions are installed. {next_start(options)}")
    return 0


def _named(action: str, description: str, arguments: list[str]) -> argparse.Namespace:
    parser = command_parser(f"extensions {action}", description, "NAME")
    parser.add_argument("name", metavar="NAME", help="as launch.py extensions lists it")
    given: argparse.Namespace = with_flags(parser, ()).parse_args(arguments)
    return given
