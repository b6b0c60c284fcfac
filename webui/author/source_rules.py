"""What is wrong in the source of an extension, read and not run: torch on the page's side, modules out of contract."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from webui.plugins.manifest import Manifest

HEAVY = ("torch", "diffusers", "transformers", "accelerate", "safetensors", "xformers")
"""Packages that the page's process must not load: they take seconds, and a gigabyte of memory."""
PUBLIC = ("webui.extend", "webui.extend.worker", "webui.extend.testing")
"""All of the house that an extension may import."""
ON_THE_PAGE = ("extension.py", "ui.py")
_TESTS = "tests"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, as a sentence with its place."""

    place: str
    """The file from the extension's folder, with the line's number."""
    sentence: str


def faults_of(folder: Path, manifest: Manifest) -> list[Fault]:
    """What its files break, in the order of their names; files of its tests may import what they like of torch."""
    found: list[Fault] = []
    for path in sorted(folder.rglob("*.py")):
        place = path.relative_to(folder)
        if any(part.startswith((".", "__pycache__")) for part in place.parts):
            continue
        try:
            tree = ast.parse(path.read_text("utf-8"))
        except (SyntaxError, UnicodeDecodeError, ValueError) as error:
            line = getattr(error, "lineno", None) or 1
            found.append(Fault(f"{place.as_posix()}:{line}", f"it cannot be read: {error}"))
            continue
        found += _of_imports(place, tree, manifest)
    return found


def _of_imports(place: Path, tree: ast.Module, manifest: Manifest) -> Iterator[Fault]:
    for node in ast.walk(tree):
        for module in _modules(node):
            where = f"{place.as_posix()}:{getattr(node, 'lineno', 1)}"
            first = module.split(".")[0]
            if place.as_posix() in ON_THE_PAGE and (first in HEAVY or module == "webui.extend.worker"):
                yield Fault(
                    where, f"it imports {module}, and the page's process loads it too: that belongs in worker.py"
                )
            elif first == "webui" and module not in PUBLIC:
                yield Fault(
                    where, f"it imports {module}, which may change without notice; webui.extend is the contract"
                )
            elif first == manifest.package:
                yield Fault(where, f"it imports itself as {module}; write `from . import ...`")


def _modules(node: ast.AST) -> Iterator[str]:
    """The modules that a statement imports from outside its own package."""
    if isinstance(node, ast.Import):
        yield from (name.name for name in node.names)
    elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
        yield node.module
