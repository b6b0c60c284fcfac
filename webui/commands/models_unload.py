"""launch.py models unload: have the workers of the running server drop the models that no job uses."""

from __future__ import annotations

import asyncio

from webui.commands.common import begin, command_parser, with_flags, write_line
from webui.commands.remote import RemoteSession
from webui.core.errors import Conflict
from webui.instance import Instance, running


def run(arguments: list[str]) -> int:
    """Unload, and say what went and what is in use."""
    parser = command_parser("models unload", "Have the running Darkroom give the memory of idle models back.", "")
    instance = running(begin(with_flags(parser).parse_args(arguments), "ERROR").paths)
    if instance is None:
        raise Conflict("No Darkroom runs, so no model is in memory.")
    for line in asyncio.run(_unload(instance)):
        write_line(line)
    return 0


async def _unload(instance: Instance) -> list[str]:
    async with RemoteSession.open(instance) as session:
        workers = await session.unload()
    gone = [f"Unloaded {name}." for worker in workers for name in worker["unloaded"]]
    kept = [f"{name} is in use and stays." for worker in workers for name in worker["in_use"]]
    return [*gone, *kept] or ["No model is loaded."]
