"""Which files of an extension have changed, and what of the program has to begin anew for them."""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Literal

from webui.plugins.manifest import FILE

Part = Literal["page", "worker"]

_PAGE_MODULES = ("extension", "ui")
_PAGE_FOLDERS = ("web", "locales")
_LEFT_OUT = ("tests", "__pycache__")

Stamps = Mapping[Path, tuple[int, int]]
"""Each file's (time of change in ns, size), by its path from the extension's folder."""


def stamps_of(folder: Path) -> Stamps:
    """How the extension's files are now; those of its tests, and hidden ones, are none of it."""
    found: dict[Path, tuple[int, int]] = {}
    for path in folder.rglob("*"):
        place = path.relative_to(folder)
        if place.parts[0] in _LEFT_OUT or any(part.startswith(".") or part == "__pycache__" for part in place.parts):
            continue
        try:
            facts = path.stat()
        except OSError:
            # An editor's own file, gone again.
            continue
        if path.is_file():
            found[place] = facts.st_mtime_ns, facts.st_size
    return found


def changed(before: Stamps, after: Stamps) -> set[Path]:
    """The files that came, went or became others."""
    return {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}


def part_for(folder: Path, files: Collection[Path]) -> Part | None:
    """What must begin anew: the whole program where the page's process has loaded one of them, else the worker.

    None where nothing has loaded any: no file is given.
    """
    if not files:
        return None
    of_page = _modules_of_page(folder)
    for file in files:
        if file.as_posix() == FILE or file.parts[0] in _PAGE_FOLDERS or file.with_suffix("") in of_page:
            return "page"
    return "worker"


def _modules_of_page(folder: Path) -> set[Path]:
    """The modules that extension.py and ui.py are, or import from beside them, at whatever distance."""
    found: set[Path] = set()
    left = [Path(name) for name in _PAGE_MODULES]
    while left:
        module = left.pop()
        if module in found:
            continue
        found.add(module)
        path = folder / module.with_suffix(".py")
        path = path if path.is_file() else folder / module / "__init__.py"
        try:
            tree = ast.parse(path.read_text("utf-8"))
        except (OSError, SyntaxError, ValueError):
            continue
        if path.name == "__init__.py":
            found.add(module / "__init__")
        package = path.relative_to(folder).parent
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.level:
                base = package
                for _ in range(node.level - 1):
                    base = base.parent
                base = base.joinpath(*(node.module or "").split(".")) if node.module else base
                left += [base] if node.module else []
                left += [base / name.name for name in node.names]
    return found
