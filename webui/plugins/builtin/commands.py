"""The program's own commands, one row each."""

from __future__ import annotations

from webui.core.registry import Command
from webui.plugins.hooks import hookimpl


@hookimpl
def commands() -> list[Command]:
    """The commands in the order that --help shows them."""
    return [
        Command("serve", "webui.commands.serve:run", "Start the page (what happens when no command is named)."),
        Command("generate", "webui.commands.generate:run", "Make pictures without a page."),
        Command("models", "webui.commands.models:run", "List, show, merge, convert, prune and get models."),
        Command("caption", "webui.commands.caption:run", "Put pictures into words."),
        Command("queue", "webui.commands.queue:run", "List the jobs, and cancel, stop or move them."),
        Command("doctor", "webui.commands.doctor:run", "Say what this machine can do and what is missing."),
        Command("test", "webui.commands.tests:run", "Run the tests."),
        Command("bench", "webui.commands.bench:run", "Measure speed against plain diffusers."),
        Command("extensions", "webui.commands.extensions:run", "List the extensions and what became of them."),
    ]
