"""launch.py models: the checkpoints that are found, or one of them in full."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from webui.commands.common import begin, command_parser, settings_store, table, with_flags, write_line
from webui.commands.remote import RemoteSession
from webui.core.errors import InvalidField
from webui.core.options import Options
from webui.core.settings import SettingsStore
from webui.engine.checkpoints.catalogue import Catalogue, Checkpoint
from webui.engine.checkpoints.identify import Kinds
from webui.instance import running
from webui.plugins.manager import build_registry, load_plugins


def run(arguments: list[str]) -> int:
    """List checkpoints; 1 when there is none that works."""
    parser = command_parser("models", "List the checkpoints, or show one of them.", "[NAME]")
    parser.add_argument("name", nargs="?", help="a checkpoint's title, name or hash, to show it in full")
    parser.add_argument("--use", action="store_true", help="make NAME the checkpoint of new pictures")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, for programs")
    given = with_flags(parser).parse_args(arguments)
    if given.use and not given.name:
        raise InvalidField("--use needs the name of a checkpoint.", remedies=("launch.py models lists them",))
    options = begin(given, "ERROR")
    settings = settings_store(options)
    plugins = load_plugins(options.paths.extensions, "web", settings.current.disabled_extensions)
    catalogue = Catalogue(options.paths.model_folders, options.paths.state, kinds=Kinds.of(build_registry(plugins)))
    if given.name:
        checkpoint = catalogue.get(given.name)
        if given.use:
            asyncio.run(_use(checkpoint.title, options, settings))
            write_line(f"New pictures are made with {checkpoint.title}.")
        else:
            write_line(json.dumps(_facts(checkpoint), ensure_ascii=False, indent=None if given.json else 2))
        return 0
    found = catalogue.all()
    if given.json:
        for checkpoint in found:
            write_line(json.dumps(_facts(checkpoint), ensure_ascii=False))
    elif found:
        chosen = next((c for c in found if c.title == settings.current.sd_model_checkpoint), None)
        write_line(table([_row(checkpoint, checkpoint is chosen) for checkpoint in found]))
    else:
        write_line(f"There are no checkpoints; they go into {options.paths.model_folders.checkpoints[0]}.")
    return int(not any(checkpoint.problem is None for checkpoint in found))


async def _use(title: str, options: Options, settings: SettingsStore) -> None:
    """Change the setting; through the running server if there is one, which would never look into the file again."""
    change = {"sd_model_checkpoint": title}
    instance = running(options.paths)
    if instance is None:
        settings.update(change)
        return
    async with RemoteSession.open(instance) as session:
        await session.update_settings(change)


def _row(checkpoint: Checkpoint, chosen: bool) -> tuple[str, str, str, str]:
    state = checkpoint.problem or ("chosen" if chosen else "")
    return checkpoint.title, checkpoint.family, f"{checkpoint.size_bytes / 2**20:,.0f} MiB", state


def _facts(checkpoint: Checkpoint) -> dict[str, Any]:
    return {
        "title": checkpoint.title,
        "name": checkpoint.name,
        "path": str(checkpoint.path),
        "family": checkpoint.family,
        "kind": checkpoint.kind,
        "hash": checkpoint.hash,
        "size_bytes": checkpoint.size_bytes,
        "defaults": checkpoint.defaults,
        "problem": checkpoint.problem,
    }
