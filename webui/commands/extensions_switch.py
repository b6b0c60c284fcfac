"""launch.py extensions enable, disable, remove, restore and packages."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from webui.commands.common import command_parser, with_flags, write_line
from webui.commands.extensions_common import Shown, next_start, open_life
from webui.commands.remote import RemoteSession
from webui.core.options import Options
from webui.extension_life.life import Life
from webui.extension_life.task import Task
from webui.instance import Instance, running

AT_ONCE = "Darkroom runs and has changed it already; a page that is open shows it once it is loaded again."


def enable(arguments: list[str]) -> int:
    """Switch an extension on; packages that it lacks are installed first. 1 where a running server cannot load it."""
    given = _named("enable", "Switch an extension on.", arguments)
    became, is_fine = _switch(given, on=True)
    write_line(f"{given.name} is switched on. {became}")
    return int(not is_fine)


def disable(arguments: list[str]) -> int:
    """Switch an extension off."""
    given = _named("disable", "Switch an extension off.", arguments)
    became, _ = _switch(given, on=False)
    write_line(f"{given.name} is switched off. {became}")
    return 0


def remove(arguments: list[str]) -> int:
    """Move an extension into the bin."""
    given = _named("remove", "Move an extension into the bin.", arguments)
    done = "is in the bin; launch.py extensions restore {name} takes it back."
    return _change(given, done, lambda life: life.remove(given.name))


def restore(arguments: list[str]) -> int:
    """Take an extension out of the bin."""
    given = _named("restore", "Take an extension out of the bin.", arguments)
    return _change(given, "is back.", lambda life: life.restore(given.name))


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


def _change(given: argparse.Namespace, done: str, change: Callable[[Life], None]) -> int:
    life, options = open_life(given)
    change(life)
    write_line(f"{given.name} {done.format(name=given.name)} {next_start(options)}")
    return 0


def _switch(given: argparse.Namespace, *, on: bool) -> tuple[str, bool]:
    """Switch it, in the running server where there is one.

    (the sentence about when that counts, or why it does not; False where it does not)
    """
    life, options = open_life(given)
    with Shown() as task:
        instance = running(options.paths)
        if instance is not None:
            card = asyncio.run(_switch_there(instance, life.installed(given.name).name, task, on=on))
            if card is not None:
                return _became(card, options, on=on)
        if on:
            life.enable(given.name, task)
        else:
            life.disable(given.name)
    return next_start(options), True


async def _switch_there(instance: Instance, name: str, task: Task, *, on: bool) -> Mapping[str, Any] | None:
    """Its card after that; None where that server loads no extensions or does not change them while shared."""
    async with RemoteSession.open(instance) as session:
        before = await session.extensions()
        if before["safe_mode"] or before["locked"]:
            return None
        await session.switch_extension(name, task, on=on)
        cards = (await session.extensions())["extensions"]
        return next((card for card in cards if card["name"] == name), None)


def _became(card: Mapping[str, Any], options: Options, *, on: bool) -> tuple[str, bool]:
    if card["next"] or card["enabled"] != on:
        waits = "Tabs, models' families and some others cannot be switched while it runs."
        return f"{next_start(options)} {waits}", True
    if on and not card["ok"]:
        return f"Darkroom runs and has left it out: {card['problem']}", False
    return AT_ONCE, True
