"""From `python launch.py` to the program: read the few flags of the start, prepare the .venv, hand over."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from webui.bootstrap import browser
from webui.bootstrap.environment import Environment
from webui.bootstrap.install import Installer
from webui.bootstrap.lock import only_one
from webui.bootstrap.shell import Shell, say
from webui.bootstrap.trouble import Trouble

_MOST_PROCESSES = 4
"""Of the test suite at once; each takes up to 3 GiB of memory."""

HELP = """\
Darkroom is not installed yet. `python launch.py` does that once (some minutes) and starts the page.

  python launch.py                            the page
  python launch.py generate "a red circle"    a picture without a page
  python launch.py test                       the tests
  --skip-install                              install nothing
  --reinstall-torch                           install torch anew
  --torch-index-url URL                       where torch comes from (for ROCm: PyTorch's index of that name)

Once it is installed, --help shows all flags and commands.
"""


@dataclass(frozen=True)
class Plan:
    """What the command line asks of the start."""

    arguments: tuple[str, ...]
    """All of them, COMMANDLINE_ARGS first: the program knows the flags of the start too, and passes over them."""
    skip_install: bool
    reinstall_torch: bool
    torch_index: str
    test: tuple[str, ...] | None
    """Arguments for pytest when the command is `test`."""


def main(root: str, argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Prepare and start; the exit code. On POSIX a success does not return: the program takes this process over."""
    try:
        return _main(Path(root), argv, environ)
    except Trouble as trouble:
        say(f"{trouble}")
        return trouble.code
    except KeyboardInterrupt:
        say("\nStopped. The next start goes on from here.")
        return 130


def read_plan(argv: Sequence[str], environ: Mapping[str, str]) -> Plan:
    """The plan from the command line and COMMANDLINE_ARGS; raises Trouble for what cannot be read."""
    try:
        given = shlex.split(environ.get("COMMANDLINE_ARGS", ""), posix=os.name != "nt")
    except ValueError as error:
        raise Trouble(f"COMMANDLINE_ARGS cannot be read: {error}.", "Close its quotes", code=2) from error
    arguments = [argument.strip('"') if os.name == "nt" else argument for argument in given] + list(argv)
    index = environ.get("TORCH_INDEX_URL", "")
    for position, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name == "--torch-index-url":
            index = value if equals else (arguments[position + 1 : position + 2] or [""])[0]
            if not index or index.startswith("-"):
                raise Trouble("--torch-index-url needs the address of an index after it.", code=2)
    before = next((position for position, argument in enumerate(argv) if not argument.startswith("-")), 0)
    test = (*argv[:before], *argv[before + 1 :]) if argv[before : before + 1] == ["test"] else None
    if test and {"-h", "--help"} & set(test):
        test = None  # the program's own help, which is shorter than pytest's
    return Plan(tuple(arguments), "--skip-install" in arguments, "--reinstall-torch" in arguments, index, test)


def _main(root: Path, argv: Sequence[str], environ: Mapping[str, str]) -> int:
    plan = read_plan(argv, environ)
    shell = Shell(environ)
    environment = Environment(Path(environ.get("VENV_DIR") or root / ".venv").absolute(), shell)
    # While the first start still installs there is a Python already, and nothing that --help could be asked of.
    if not (environment.python.exists() and environment.read_stamp().files) and {"-h", "--help"} & set(plan.arguments):
        sys.stdout.write(HELP)
        return 0
    if plan.skip_install:
        python = str(environment.python) if environment.python.exists() else sys.executable
    else:
        with only_one(environment.folder):
            environment.ensure()
            Installer(root, environment).ensure(plan.torch_index, plan.reinstall_torch, tests=plan.test is not None)
        python = str(environment.python)
    if plan.test is None:
        # -P: a file of the person's current folder must not take the place of a module.
        return hand_over([python, "-P", "-m", "webui", *plan.arguments], _with_root(root, environ))
    return _test(root, environment, python, plan.test, environ)


def _test(
    root: Path, environment: Environment, python: str, arguments: tuple[str, ...], environ: Mapping[str, str]
) -> int:
    gpu = "--gpu" in arguments
    marked = ["-m", "gpu"] if gpu else [] if "--all" in arguments else ["-m", "not slow"]
    ours = ("--all", "--gpu", "--skip-install", "--reinstall-torch")
    rest = [argument for argument in arguments if argument not in ours]
    chosen = _with_root(root, environ)
    if not gpu and not rest:
        # All of them: in as many processes as help, each of which computes on one core.
        marked += ["-n", "logical", "--maxprocesses", str(_MOST_PROCESSES), "--dist", "loadfile"]
        chosen.setdefault("OMP_NUM_THREADS", "1")
    if not gpu and "not browser" not in " ".join(rest):
        chosen[browser.VARIABLE] = browser.find_or_install(environment)
    os.chdir(root)
    return hand_over([python, "-m", "pytest", *marked, *rest], chosen)


def _with_root(root: Path, environ: Mapping[str, str]) -> dict[str, str]:
    paths = [str(root), *filter(None, [environ.get("PYTHONPATH")])]
    return {**environ, "PYTHONPATH": os.pathsep.join(paths)}


def hand_over(command: Sequence[str], environ: Mapping[str, str]) -> int:
    """Become the program where the system can, else run it and hand signals and its exit code through."""
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        if os.name != "nt":
            os.execve(command[0], list(command), dict(environ))
        process = subprocess.Popen(command, env=dict(environ))
    except OSError as error:
        raise Trouble(
            f"{command[0]} cannot be started: {error.strerror or error}.", "Delete .venv and start again"
        ) from error
    # Ctrl+C reaches the program too, which ends in order; this process only waits for it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    return process.wait()
