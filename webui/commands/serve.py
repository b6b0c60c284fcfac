"""launch.py, or launch.py serve: the page."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from dataclasses import replace

from webui.app import local_workers, workshop
from webui.author.dev import AGAIN_VARIABLE
from webui.commands.common import begin, command_parser, engine_config, settings_store, with_flags
from webui.core.errors import InvalidField
from webui.core.flags import COMMON, PAGE, PEOPLE
from webui.core.options import Options
from webui.engine.config import one_each


def run(arguments: list[str]) -> int:
    """Start the page and stay until it is stopped; the exit code."""
    parser = with_flags(command_parser("serve", "Start the page."), (PAGE, PEOPLE, *COMMON))
    options = begin(parser.parse_args(arguments))
    if os.environ.pop(AGAIN_VARIABLE, ""):
        options = replace(options, autolaunch=False)
    _check_certificate(options)
    settings = settings_store(options)
    from webui.serve import AGAIN, serve  # Gradio takes seconds to import, and only this command needs it

    engines = one_each(engine_config(options, settings, warm=True), options.devices)
    code = serve(options, settings, (*local_workers(engines), workshop(options.paths, settings)))
    return _start_again() if code == AGAIN else code


def _start_again() -> int:
    """Start the program anew as it was started; where the system can, it takes this process over."""
    command = [sys.executable, *sys.orig_argv[1:]]
    environment = {**os.environ, AGAIN_VARIABLE: "1"}
    if os.name != "nt":
        sys.stdout.flush()
        sys.stderr.flush()
        os.execve(command[0], command, environment)
    return subprocess.call(command, env=environment)


def _check_certificate(options: Options) -> None:
    certificate, key = options.tls_certfile, options.tls_keyfile
    for flag, file in (("--tls-certfile", certificate), ("--tls-keyfile", key)):
        if file and not file.is_file():
            raise InvalidField(f"{flag} names {file}, which is not there.", remedies=("Correct the path",))
    if not certificate:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except ssl.SSLError as error:
        raise InvalidField(
            f"{certificate} and {key} cannot serve https: they are no certificate and its key.",
            remedies=("Both must be PEM files, the key without a password",),
        ) from error
    except OSError as error:
        raise InvalidField(
            f"{certificate} and {key} cannot be read: {error.strerror}.", remedies=("Give this user the right to",)
        ) from error
