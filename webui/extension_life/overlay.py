"""The packages of all extensions in one folder, resolved together under the core's own, last on the search path.

The core's packages are constraints, and what the core has is not installed again: so nothing here can shadow or change
what Darkroom itself runs on. A new folder is built beside the old one, and one small file says which counts.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from webui.core.errors import Conflict
from webui.extension_life import pip
from webui.extension_life.fetch import disk_sentences
from webui.extension_life.pointer import FOLDER, Overlay, current
from webui.extension_life.task import Task

_NEW = ".new-"

_PINNED = "The user requested (constraint) "
_ASKED = "The user requested "
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

Wanted = Mapping[str, Sequence[str]]
"""Requirements by the extension that has them."""


def missing(wanted: Sequence[str], state: Path, core: Mapping[str, str] | None = None) -> list[str]:
    """Those of these requirements that neither the core nor the overlay meets."""
    built = current(state)
    have = {**built.packages, **(core_packages(state) if core is None else core)}
    return [line for line in wanted if line not in built.wanted and applies(line) and not _met(line, have)]


def core_packages(state: Path) -> dict[str, str]:
    """What is installed for Darkroom itself, version by name."""
    return pip.packages_outside(state / FOLDER)


def applies(line: str) -> bool:
    """Whether a requirement is one on this system: `einops; sys_platform == "win32"` is not everywhere."""
    marker = Requirement(line).marker
    return marker is None or marker.evaluate({"extra": ""})


def refuse_against_core(wanted: Wanted, core: Mapping[str, str]) -> None:
    """Raises Conflict, both sides named, where a requirement excludes what Darkroom itself has. Asks no network."""
    for extension, lines in wanted.items():
        for line in filter(applies, lines):
            requirement = Requirement(line)
            has = core.get(canonicalize_name(requirement.name))
            if has and not requirement.specifier.contains(has, prereleases=True):
                raise Conflict(
                    f"The extension '{extension}' wants {requirement.name}{requirement.specifier}, and Darkroom itself "
                    f"runs on {requirement.name} {has}, which no extension may change.",
                    remedies=("Look for another version of the extension", "Ask its author"),
                )


def build(wanted: Wanted, state: Path, task: Task) -> Overlay:
    """Resolve what all these extensions want together, and build the folder; `switch` makes it count.

    Raises Conflict that names both sides, ProgramProblem, StorageProblem, Stopped; nothing has changed then.
    """
    core = core_packages(state)
    refuse_against_core(wanted, core)
    needed = sorted({line for lines in wanted.values() for line in lines if applies(line)})
    if all(_met(line, core) for line in needed):
        return Overlay()
    root = state / FOLDER
    with disk_sentences(root):
        root.mkdir(parents=True, exist_ok=True)
        for left in root.glob(f"{_NEW}*"):
            shutil.rmtree(left, ignore_errors=True)
        work = root / f"{_NEW}{hashlib.sha256(repr(needed).encode()).hexdigest()[:12]}"
        work.mkdir()
        try:
            return _build(wanted, needed, core, work, task)
        finally:
            shutil.rmtree(work, ignore_errors=True)


def _build(wanted: Wanted, needed: Sequence[str], core: Mapping[str, str], work: Path, task: Task) -> Overlay:
    task.say("Resolving packages")
    (work / "core.txt").write_text(pip.constraints(core), "utf-8")
    (work / "wanted.txt").write_text("".join(f"{line}\n" for line in needed), "utf-8")
    files = ["--report", "report.json", "-c", "core.txt", "-r", "wanted.txt"]
    outcome = pip.pip(["install", "--dry-run", "--prefer-binary", *files], task, work)
    if not outcome.ok:
        # Which requirements exclude each other pip says as information, not as an error.
        raise _conflict(outcome.output, wanted) or pip.problem(outcome, _shown(needed))
    chosen = json.loads((work / "report.json").read_text("utf-8"))["install"]
    packages: dict[str, str] = {
        canonicalize_name(one["metadata"]["name"]): str(one["metadata"]["version"]) for one in chosen
    }
    lines = sorted(_pinned(one) for one in chosen)
    digest = hashlib.sha256("".join(lines).encode()).hexdigest()[:32]
    target = work.parent / digest
    if not target.is_dir():
        _install(lines, packages, work, task)
        (work / "target").rename(target)
    return Overlay(target, packages, tuple(needed))


def _install(lines: Sequence[str], packages: Mapping[str, str], work: Path, task: Task) -> None:
    task.say(f"Installing {_shown([f'{name} {version}' for name, version in sorted(packages.items())])}")
    (work / "target").mkdir()
    if not lines:
        return
    (work / "chosen.txt").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    outcome = pip.pip(
        [
            "install",
            "--quiet",
            "--no-deps",
            "--prefer-binary",
            "--no-compile",
            "--target",
            "target",
            "-r",
            "chosen.txt",
        ],
        task,
        work,
    )
    if not outcome.ok:
        raise pip.problem(outcome, _shown(lines))


def _pinned(entry: Mapping[str, Any]) -> str:
    """A line of a requirements file that takes this very file and no other."""
    name, version = entry["metadata"]["name"], entry["metadata"]["version"]
    hashes = entry["download_info"].get("archive_info", {}).get("hashes", {})
    pin = f" --hash=sha256:{hashes['sha256']}" if "sha256" in hashes else ""
    return f"{name}=={version}{pin}"


def _met(line: str, have: Mapping[str, str]) -> bool:
    requirement = Requirement(line)
    version = have.get(canonicalize_name(requirement.name))
    # What an extra adds is in no name here; pip finds out.
    return version is not None and not requirement.extras and requirement.specifier.contains(version, prereleases=True)


def _shown(names: Sequence[str]) -> str:
    return ", ".join(name.partition(" --hash")[0] for name in names[:5]) + (" and more" if len(names) > 5 else "")


def _conflict(said: str, wanted: Wanted) -> Conflict | None:
    """What pip says of requirements that exclude each other, with those who have them; None for other troubles."""
    _, found, causes = said.partition("The conflict is caused by:")
    if not found:
        return None
    sides = []
    for line in map(str.strip, causes.splitlines()):
        if line.startswith(_PINNED):
            sides.append(f"Darkroom itself runs on {line.removeprefix(_PINNED)}")
        elif line.startswith(_ASKED):
            sides.append(f"{_who(line.removeprefix(_ASKED), wanted)} wants {line.removeprefix(_ASKED)}")
        elif " depends on " in line:
            package, _, needs = line.partition(" depends on ")
            sides.append(f"{package}, for {_who(package, wanted)}, needs {needs}")
        elif sides:
            break
    return Conflict(
        f"The packages of the extensions do not go together: {'; '.join(dict.fromkeys(sides))}.",
        remedies=("Switch one of the extensions off, then try again", "Look for another version of it"),
    )


def _who(text: str, wanted: Wanted) -> str:
    """The extensions that ask for the package which a text of pip's begins with, in just these words if some do."""
    found = _NAME.match(text)
    name = canonicalize_name(found[0]) if found else ""
    asking = [
        (f"'{extension}'", str(requirement.specifier))
        for extension, lines in wanted.items()
        for requirement in map(Requirement, lines)
        if canonicalize_name(requirement.name) == name
    ]
    owners = [owner for owner, asked in asking if asked and text.endswith(asked)] or [owner for owner, _ in asking]
    return "the extension " + " or ".join(owners) if owners else "other packages"
