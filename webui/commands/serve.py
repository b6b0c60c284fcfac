"""launch.py, or launch.py serve: the page."""

from __future__ import annotations

from webui.app import local_workers
from webui.commands.common import begin, command_parser, engine_config, settings_store, with_flags
from webui.core.errors import InvalidField
from webui.core.flags import COMMON, PAGE, PEOPLE
from webui.engine.config import one_each


def run(arguments: list[str]) -> int:
    """Start the page and stay until it is stopped; the exit code."""
    parser = with_flags(command_parser("serve", "Start the page."), (PAGE, PEOPLE, *COMMON))
    options = begin(parser.parse_args(arguments))
    for flag, file in (("--tls-certfile", options.tls_certfile), ("--tls-keyfile", options.tls_keyfile)):
        if file and not file.is_file():
            raise InvalidField(f"{flag} names {file}, which is not there.", remedies=("Correct the path",))
    settings = settings_store(options)
    from webui.serve import serve  # Gradio takes seconds to import, and only this command needs it

    engines = one_each(engine_config(options, settings, warm=True), options.devices)
    return serve(options, settings, local_workers(engines))
