"""The program's entry: find the command among built-in and extensions' ones, run it, turn errors into sentences."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from webui import __version__
from webui.commands.common import parse_flags
from webui.core.command_line import Parser, add_flags, split_command
from webui.core.errors import DarkroomError
from webui.core.flags import COMMON, PAGE, PEOPLE
from webui.core.registry import Command, Table
from webui.extension_life.pointer import use_packages
from webui.plugins.loader import build_registry, load_plugins
from webui.plugins.resolve import resolve

# No library fetches or reports anything: set before any looks. HF_HUB_OFFLINE stays the person's own word: with it
# the program itself fetches no tokenizer either (engine/checkpoints/tokenizer_files.py).
_SILENCE = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code: 0 done, 1 failed, 2 wrong input, 130 stopped."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["help"]:
        given = [*given[1:], "--help"]
    for name, value in _SILENCE.items():
        os.environ.setdefault(name, value)
    try:
        return _run(given)
    except DarkroomError as error:
        sys.stderr.write("\n".join(error.lines()) + "\n")
        return error.exit_code
    except BrokenPipeError:
        # The reader of our output has gone (as `| head` does); Python would complain once more while it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        return 130


def _run(arguments: list[str]) -> int:
    commands = build_registry(load_plugins((), "web")).commands
    if not _names(commands, arguments):
        # Only now are extensions asked: their import takes time that no built-in command should wait for.
        paths = parse_flags(arguments).paths
        if paths.use_extensions:
            use_packages(paths.state)
        commands = build_registry(load_plugins(paths.extensions, "web")).commands
        if arguments and arguments[0] in ("-h", "--help"):
            sys.stdout.write(_help(commands))
            return 0
        if arguments and arguments[0] == "--version":
            sys.stdout.write(f"Darkroom {__version__}\n")
            return 0
    name, rest = split_command(arguments, [known for row in commands for known in (row.name, *row.aliases)])
    code: int = resolve(commands.get(name).run)(rest)
    return code


def _names(commands: Table[Command], arguments: list[str]) -> bool:
    try:
        split_command(arguments, commands.names())
    except DarkroomError:
        return False
    return not (arguments and arguments[0] in ("-h", "--help", "--version"))


def _help(commands: Table[Command]) -> str:
    width = max(len(row.name) for row in commands)
    lines = [f"  {row.name:<{width}}  {row.help}" for row in commands]
    parser = Parser(
        prog="launch.py",
        usage="launch.py [command] [flags]",
        description="Darkroom, a Stable Diffusion web UI. Without a command it starts the page.",
        add_help=False,
    )
    add_flags(parser, (PAGE, PEOPLE, *COMMON))
    flags = parser.format_help()
    head, _, tail = flags.partition("\n\n")
    about, _, groups = tail.partition("\n\n")
    listed = "\n".join(lines)
    return f"{head}\n\n{about}\n\ncommands (each has --help):\n{listed}\n\n{groups}"


if __name__ == "__main__":
    sys.exit(main())
