"""Pip as a process: which packages are there, one of them downloaded alone, and its complaints as sentences."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path

from packaging.utils import canonicalize_name

from webui.extension_life.content import LIMITS
from webui.extension_life.run import Outcome, ProgramProblem, run
from webui.extension_life.task import Task

_COMMON = ("--disable-pip-version-check", "--no-input", "--no-color", "--retries", "2", "--timeout", "20")
_NO_NETWORK = ("newconnectionerror", "connecttimeout", "failed to establish", "max retries exceeded", "name resolution")
_FROM = re.compile(r"\(from versions: (?P<versions>.*?)\)")
_MOST_BYTES = 16 * 2**30
"""Of packages in one folder: a second torch would still fit, what never ends would not."""


def pip(arguments: Sequence[str], task: Task, folder: Path, *, most_bytes: int = _MOST_BYTES) -> Outcome:
    """Run pip for the Python that runs this; raises as `run` does."""
    return run([*_command(), *_COMMON, *arguments], task, folder=folder, seconds=1800, most_bytes=most_bytes)


def packages_outside(folder: Path) -> dict[str, str]:
    """What this process can import from elsewhere than below a folder, version by canonical name."""
    return packages_in([place for place in sys.path if folder not in Path(place).parents])


def packages_in(places: Sequence[str]) -> dict[str, str]:
    """The packages in these folders, version by canonical name; the first place that has one counts, as for imports."""
    found: dict[str, str] = {}
    for known in metadata.distributions(path=[*places]):
        # What a broken installation has left behind may have neither.
        name, version = known.metadata["Name"], known.metadata["Version"]
        if name and version:
            found.setdefault(canonicalize_name(name), version)
    return found


def constraints(core: Mapping[str, str]) -> str:
    """The core's packages as a constraints file."""
    return "".join(f"{name}=={version}\n" for name, version in sorted(core.items()))


def download(name: str, version: str, folder: Path, task: Task) -> Path:
    """The wheel of one version of a package ("": the newest), alone; its path. Nothing of it is run."""
    wanted = f"{name}=={version}" if version else name
    outcome = pip(
        ["download", "--no-deps", "--only-binary", ":all:", "--dest", ".", "--", wanted],
        task,
        folder,
        most_bytes=LIMITS.bytes,
    )
    wheels = [*folder.glob("*.whl")]
    if outcome.ok and len(wheels) == 1:
        return wheels[0]
    raise problem(outcome, wanted)


def newest(name: str, folder: Path, task: Task) -> str:
    """The newest version of a package that suits this machine; nothing is installed."""
    report = folder / "report.json"
    files = ["--report", report.name, "--", name]
    outcome = pip(
        ["install", "--dry-run", "--ignore-installed", "--no-deps", "--only-binary", ":all:", *files], task, folder
    )
    if not outcome.ok:
        raise problem(outcome, name)
    return str(json.loads(report.read_text("utf-8"))["install"][0]["metadata"]["version"])


def problem(outcome: Outcome, what: str) -> ProgramProblem:
    """What pip could not do, as a sentence about `what`."""
    said = outcome.said.casefold()
    if any(words in said for words in _NO_NETWORK):
        return ProgramProblem(
            f"The package index cannot be reached, so {what} cannot be had.",
            remedies=("Look whether this machine has a network", "Try again"),
        )
    versions = _FROM.search(outcome.said)
    if versions and versions["versions"].strip() == "none":
        return ProgramProblem(
            f"The package index has no {what} that suits this Python and this system.",
            remedies=("Correct the name", "Ask the extension's author"),
        )
    if versions:
        shown = ", ".join(versions["versions"].split(", ")[-5:])
        return ProgramProblem(
            f"The package index has no {what} that suits this Python and this system. The newest there: {shown}."
        )
    if "no space left" in said:
        return ProgramProblem("The disk is full.", remedies=("Make room on the disk",))
    last = next(_errors(outcome.said), "nothing")
    return ProgramProblem(f"Pip could not get {what}. It said: {last[:300]}")


def _errors(said: str) -> Iterator[str]:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    yield from (line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: "))
    yield from reversed(lines)


def _command() -> list[str]:
    """An environment may have no pip of its own; then the Python that made it has."""
    if importlib.util.find_spec("pip") is not None:
        # -I: neither the current folder nor a variable puts other modules before pip's.
        return [sys.executable, "-I", "-m", "pip"]
    return [getattr(sys, "_base_executable", sys.executable), "-I", "-m", "pip", "--python", sys.executable]
