"""What stands between an extension and its users: manifest, source, both processes, types, tests, each by itself."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from webui.author.environment import with_house
from webui.author.source_rules import faults_of
from webui.core.errors import DarkroomError
from webui.core.paths import PROGRAM_DIR
from webui.plugins.locales import FOLDER as LOCALES
from webui.plugins.locales import Known, check_locales, read_locales
from webui.plugins.manifest import Manifest, read_manifest

Outcome = Literal["ok", "wrong", "left out"]

_LOAD_SECONDS = 180
_TEST_SECONDS = 1800
_NO_TESTS = 5
"""pytest's exit code where it finds none."""
_TYPES = """\
[mypy]
strict = True
ignore_missing_imports = True
follow_imports = silent

[mypy-torch.*,numpy.*,diffusers.*,transformers.*,accelerate.*,gradio.*,fastapi.*,pydantic.*]
follow_imports = skip
"""
"""Libraries whose own types would take minutes to read are taken as they come."""
_INSTALL = "python launch.py test --version installs what it needs"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one part of the check came to; `details` are lines for the author."""

    part: str
    outcome: Outcome
    details: str = ""


def check(folder: Path, cache: Path | None = None, page: Mapping[str, str] = MappingProxyType({})) -> Iterator[Finding]:
    """Check the extension in `folder`, part by part; nothing of it is run in this process.

    Where its manifest is wrong, nothing more is looked at. cache: a folder that makes the next check of types quick.
    page: the page's texts in English by their keys, which its locales may translate.
    """
    try:
        manifest = read_manifest(folder)
    except (DarkroomError, OSError) as error:
        yield Finding("manifest", "wrong", str(error))
        return
    yield Finding("manifest", "ok", f"{manifest.name} {manifest.version}, contract {manifest.api}")
    yield _source(folder, manifest)
    yield _load("page", "web", folder)
    yield _load("worker", "worker", folder)
    if (folder / LOCALES).is_dir():
        yield _locales(folder, page)
    yield _types(folder, manifest, cache)
    yield _tests(folder)


def _source(folder: Path, manifest: Manifest) -> Finding:
    faults = faults_of(folder, manifest)
    details = "\n".join(f"{fault.place}: {fault.sentence}" for fault in faults)
    return Finding("source", "wrong" if faults else "ok", details)


def _load(part: str, process: str, folder: Path) -> Finding:
    """Load it as this process of the program would, in one of its own."""
    code, said = _run([sys.executable, "-P", "-m", "webui.author.probe", process, str(folder)], _LOAD_SECONDS)
    return Finding(part, "wrong" if code else "ok", said)


def _locales(folder: Path, page: Mapping[str, str]) -> Finding:
    """What it is called in other languages, beside the names that there are."""
    code, said = _run([sys.executable, "-P", "-m", "webui.author.probe", "names", str(folder)], _LOAD_SECONDS)
    if code:
        return Finding("locales", "left out", "the page's part has not loaded, so its names are not known")
    names = json.loads(said.splitlines()[-1])
    found, problems = read_locales(folder)
    problems += check_locales(found, Known(names["fields"], names["scripts"], page))
    return Finding("locales", "wrong" if problems else "ok", "\n".join(problems) or ", ".join(found))


def _types(folder: Path, manifest: Manifest, cache: Path | None) -> Finding:
    if importlib.util.find_spec("mypy") is None:
        return Finding("types", "left out", f"mypy is not installed; {_INSTALL}")
    # Under the name it has in the program: its folder's own may be no name of a module.
    with tempfile.TemporaryDirectory(prefix="darkroom-check-") as scratch:
        package = Path(scratch) / manifest.package
        shutil.copytree(folder, package, ignore=shutil.ignore_patterns("tests", "test_*.py", ".*", "__pycache__"))
        (package / "__init__.py").touch()
        settings = Path(scratch) / "mypy.ini"
        settings.write_text(_TYPES, encoding="utf-8")
        command = [sys.executable, "-m", "mypy", "--config-file", str(settings), "-p", manifest.package]
        command += ["--cache-dir", str(cache or Path(scratch) / "cache")]
        paths = os.pathsep.join((scratch, str(PROGRAM_DIR)))
        code, said = _run(command, _LOAD_SECONDS, MYPYPATH=paths, cwd=scratch)
        return Finding("types", "wrong" if code else "ok", said.replace(f"{manifest.package}{os.sep}", ""))


def _tests(folder: Path) -> Finding:
    if importlib.util.find_spec("pytest") is None:
        return Finding("tests", "left out", f"pytest is not installed; {_INSTALL}")
    command = [sys.executable, "-m", "pytest", "-q", "--tb=short", "--import-mode=importlib", "-p", "no:cacheprovider"]
    code, said = _run([*command, "--rootdir", str(folder), "-c", os.devnull, str(folder)], _TEST_SECONDS)
    if code == _NO_TESTS:
        return Finding("tests", "wrong", "it has none: tests/test_*.py is where they are looked for")
    return Finding("tests", "wrong" if code else "ok", said)


def _run(command: list[str], seconds: float, cwd: str | None = None, **variables: str) -> tuple[int, str]:
    """(exit code, what was said), with the house among what can be imported."""
    environment = with_house(PYTHONDONTWRITEBYTECODE="1", **variables)
    try:
        ran = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            timeout=seconds,
            env=environment,
            cwd=cwd,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return 1, f"it was not done within {seconds:g} s"
    return ran.returncode, ran.stdout.decode("utf-8", "replace").strip()[-20_000:]
