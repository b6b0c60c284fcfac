"""What an extension will bring, read from its source without running it: the hooks that it implements."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

_MODULES = ("extension.py", "worker.py")
_MARK = "hookimpl"
_MOST_BYTES = 2**20


def hooks_in(folder: Path) -> list[str]:
    """The names of the marked functions of extension.py and worker.py, in order; of what cannot be read, none."""
    names: list[str] = []
    for module in _MODULES:
        try:
            with (folder / module).open("rb") as file:
                tree = ast.parse(file.read(_MOST_BYTES))
        except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        names += _marked(tree)
    return list(dict.fromkeys(names))


def _marked(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and any(map(_is_mark, node.decorator_list)):
            yield node.name


def _is_mark(decorator: ast.expr) -> bool:
    """`@hookimpl`, `@hookimpl(...)`, `@extend.hookimpl`."""
    if isinstance(decorator, ast.Call):
        decorator = decorator.func
    return getattr(decorator, "id", getattr(decorator, "attr", "")) == _MARK
