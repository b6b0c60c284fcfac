"""launch.py test: named here for --help; launch.py itself runs the tests, since they need packages of their own."""

from __future__ import annotations

from webui.commands.common import command_parser
from webui.core.errors import InvalidField

_ABOUT = """\
Run the tests. What follows goes to pytest: -k NAME for some of them, -x to stop at the first that fails.
--all runs the slow ones too; --gpu runs those that need a CUDA device, and no others."""


def run(arguments: list[str]) -> int:
    """Show the help; by the time the program is here, `test` did not come first."""
    parser = command_parser("test", _ABOUT, "[--all | --gpu] [PYTEST'S ARGUMENTS]")
    parser.parse_known_args(arguments)
    raise InvalidField(
        "`test` comes first on the command line, and of launch.py only.",
        remedies=("python launch.py test, in the folder that you cloned",),
    )
