"""The house's rules, read from the source: layers, imports, sizes, globals, prints, and a web process without torch."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from webui.author.source_rules import HEAVY
from webui.core.paths import PROGRAM_DIR

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
LONG_FILE = "# Longer than 400 lines:"
LONG_FUNCTION = "# Longer than 60 lines:"
"""How a reason begins: in the file, or above the function or on its first line."""

LAYERS = (
    ("core",),
    ("plugins", "images"),
    ("engine",),
    ("extension_life", "author"),
    ("jobs",),
    ("service",),
    ("web", "ui"),
    ("app",),
    ("extend", "commands"),
    ("cli",),
)
"""Lowest first; a module may import from its own part and from the layers below, never from a part beside it."""

PARTS = {
    "__main__": "cli",
    "accept": "service",
    "accept_hires": "service",
    "accept_sampling": "service",
    "acceptance": "service",
    "captions": "service",
    "cards": "service",
    "extension_languages": "service",
    "extension_settings": "service",
    "fitting": "service",
    "extension_switch": "service",
    "extension_works": "service",
    "instance": "service",
    "limits": "service",
    "model_news": "service",
    "model_works": "service",
    "named_by_hash": "service",
    "picture_reading": "service",
    "prompt_files": "service",
    "prompt_names": "service",
    "prompt_preview": "service",
    "prompting": "service",
    "recent_prompts": "service",
    "prompts": "service",
    "extension_routes": "service",
    "scripts": "service",
    "seals": "service",
    "setting_values": "service",
    "serve": "app",
    "workers": "service",
}
"""Single modules that belong to a part of another name."""

RANKS = {part: rank for rank, parts in enumerate(LAYERS) for part in parts}
PURE = "webui/core/prompt/"
TOUCHES_FILES = {"os", "pathlib", "shutil", "tempfile"}
MAY_IMPORT_HEAVY = ("webui/engine/", "tools/train_starter/", "tools/bench/", "extensions/")
MAY_PRINT = ("webui/cli.py", "webui/commands/", "webui/bootstrap/", "launch.py", "tools/")

STANDARD_ONLY = "bootstrap"
"""What launch.py runs before anything is installed: it imports nothing of the house, and nothing of the house it."""

TORCH_FREE = (
    "webui.service",
    "webui.app",
    "webui.ui.blocks",
    "webui.web.server",
    "webui.cli",
    "webui.jobs.executors.local",
)


@dataclass(frozen=True)
class Source:
    """A file of ours: its path from the repository's root with forward slashes, and what it says."""

    path: str
    text: str

    @property
    def tree(self) -> ast.Module:
        return _parse(self.text)

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @property
    def part(self) -> str:
        """The part of webui that the file belongs to; empty for webui itself and for other folders."""
        pieces = self.path.split("/")
        if pieces[0] != "webui" or pieces[1] == "__init__.py":
            return ""
        return part_of("webui." + pieces[1].removesuffix(".py"))


@cache
def _parse(text: str) -> ast.Module:
    return ast.parse(text)


@cache
def sources(*folders: str) -> tuple[Source, ...]:
    """All Python files of these folders (or files) of the repository."""
    found: list[Path] = []
    for folder in folders:
        path = PROGRAM_DIR / folder
        found += [path] if path.is_file() else sorted(path.rglob("*.py"))
    return tuple(Source(p.relative_to(PROGRAM_DIR).as_posix(), p.read_text(encoding="utf-8")) for p in found)


def part_of(module: str) -> str:
    """The part that a module of webui belongs to."""
    name = module.split(".")[1] if "." in module else ""
    return PARTS.get(name, name)


def imports(source: Source) -> Iterator[tuple[str, int]]:
    """(module, line) of every import, at the top or not. `from webui import x` counts as webui.x."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            if node.module == "webui":
                yield from ((f"webui.{alias.name}", node.lineno) for alias in node.names)
            else:
                yield node.module, node.lineno


def functions(source: Source) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def has_comment(source: Source, line: int) -> bool:
    """Whether a comment stands on this line (from 1), or above the imports that this line ends."""
    if "#" in source.lines[line - 1]:
        return True
    above = next(
        (t for t in map(str.strip, source.lines[line - 2 :: -1]) if not t.startswith(("import ", "from "))), ""
    )
    return above.startswith("#")


def upward_imports(source: Source) -> Iterator[str]:
    for module, line in imports(source):
        part = part_of(module)
        if not module.startswith("webui") or part in ("", source.part) or part.startswith("__"):
            continue
        if STANDARD_ONLY in (part, source.part) and source.path != "launch.py":
            yield f"{source.path}:{line} imports {module} across the border of webui.{STANDARD_ONLY}"
        elif source.part in RANKS and RANKS.get(part, 0) >= RANKS[source.part]:
            yield f"{source.path}:{line} imports {module}, which is not below {source.part}"


def unknown_parts(source: Source) -> Iterator[str]:
    if source.part and source.part not in (*RANKS, STANDARD_ONLY):
        yield f"{source.path} is in no layer"


def relative_imports(source: Source) -> Iterator[str]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ImportFrom) and node.level and not source.path.startswith("extensions/"):
            yield f"{source.path}:{node.lineno} imports relatively"


def heavy_imports(source: Source) -> Iterator[str]:
    if source.path.startswith(MAY_IMPORT_HEAVY):
        return
    for module, line in imports(source):
        if module.split(".")[0] in HEAVY:
            yield f"{source.path}:{line} imports {module} outside the engine"


def hidden_imports(source: Source) -> Iterator[str]:
    for function in functions(source):
        for node in ast.walk(function):
            if isinstance(node, ast.Import | ast.ImportFrom) and not has_comment(source, node.lineno):
                yield f"{source.path}:{node.lineno} imports inside a function without a reason beside it"


def files_in_the_language(source: Source) -> Iterator[str]:
    if source.path.startswith(PURE):
        yield from (
            f"{source.path}:{line} imports {module}, and the prompt language reads no files"
            for module, line in imports(source)
            if module.split(".")[0] in TOUCHES_FILES
        )


def globals_(source: Source) -> Iterator[str]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Global):
            yield f"{source.path}:{node.lineno} says global"


def prints(source: Source) -> Iterator[str]:
    if source.path.startswith(MAY_PRINT):
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("print", "pprint"):
            yield f"{source.path}:{node.lineno} prints"


def long_files(source: Source) -> Iterator[str]:
    if len(source.lines) > MAX_FILE_LINES and LONG_FILE not in source.text:
        yield f"{source.path} has {len(source.lines)} lines"


def long_functions(source: Source) -> Iterator[str]:
    for function in functions(source):
        length = (function.end_lineno or function.lineno) - function.lineno + 1
        first = min([function.lineno, *(d.lineno for d in function.decorator_list)])
        near = source.lines[max(0, first - 2) : function.body[0].lineno]
        if length > MAX_FUNCTION_LINES and not any(LONG_FUNCTION in line for line in near):
            yield f"{source.path}:{function.lineno} {function.name} has {length} lines"


def missing_docstrings(source: Source) -> Iterator[str]:
    if source.text.strip() and not ast.get_docstring(source.tree):
        yield f"{source.path} does not say its job"


Rule = Callable[[Source], Iterator[str]]
CODE = ("webui", "tools", "extensions", "launch.py")
RULES: dict[str, tuple[Rule, tuple[str, ...]]] = {
    "imports point down": (upward_imports, CODE),
    "every part has a layer": (unknown_parts, CODE),
    "imports are absolute": (relative_imports, CODE),
    "only the engine imports torch": (heavy_imports, ("webui", "extensions", "launch.py")),
    "imports stand at the top": (hidden_imports, CODE),
    "the prompt language is pure": (files_in_the_language, ("webui",)),
    "no global": (globals_, (*CODE, "tests")),
    "no print": (prints, CODE),
    "files are short": (long_files, (*CODE, "tests")),
    "functions are short": (long_functions, (*CODE, "tests")),
    "modules say their job": (missing_docstrings, CODE),
}


@pytest.mark.parametrize("rule", RULES)
def test_the_house_keeps_its_rules(rule: str) -> None:
    check, folders = RULES[rule]
    files = sources(*folders)
    assert len(files) > 20
    assert [complaint for source in files for complaint in check(source)] == []


BAD = {
    "imports point down": ("webui/core/x.py", "from webui import service"),
    "every part has a layer": ("webui/misc/x.py", ""),
    "imports are absolute": ("webui/core/x.py", "from . import y"),
    "only the engine imports torch": ("webui/web/x.py", "def f():\n    # needed\n    from torch.nn import functional"),
    "imports stand at the top": ("webui/core/x.py", "def f():\n    x = 1\n    import json"),
    "the prompt language is pure": ("webui/core/prompt/x.py", "from pathlib import Path"),
    "no global": ("webui/core/x.py", "def f():\n    global x"),
    "no print": ("webui/core/x.py", "print(1)"),
    "files are short": ("webui/core/x.py", "x = 1\n" * 401),
    "functions are short": ("webui/core/x.py", "def f():\n" + "    x = 1\n" * 60),
    "modules say their job": ("webui/core/x.py", "x = 1"),
}
GOOD = {
    "imports point down": ("webui/jobs/x.py", "from webui.images.store import PictureStore\nimport webui.jobs.bus"),
    "every part has a layer": ("webui/accept.py", ""),
    "imports are absolute": ("extensions/x/extension.py", "from . import y"),
    "only the engine imports torch": ("webui/engine/x.py", "import torch"),
    "imports stand at the top": ("webui/core/x.py", "def f():\n    import json  # slow, and seldom needed"),
    "the prompt language is pure": ("webui/prompt_files/x.py", "from pathlib import Path"),
    "no global": ("webui/core/x.py", "def f():\n    nonlocal x"),
    "no print": ("webui/cli.py", "print(1)"),
    "files are short": ("webui/core/x.py", "x = 1\n" * 400),
    "functions are short": ("webui/core/x.py", f"{LONG_FUNCTION} a table\ndef f():\n" + "    x = 1\n" * 60),
    "modules say their job": ("webui/core/x.py", '"""Its job."""\nx = 1'),
}


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_sees_what_breaks_it_and_nothing_else(rule: str) -> None:
    check = RULES[rule][0]
    assert list(check(Source(*BAD[rule])))
    assert not list(check(Source(*GOOD[rule])))


@pytest.mark.parametrize(
    ("path", "module"),
    [
        ("webui/web/api/x.py", "webui.ui.blocks"),
        ("webui/images/store.py", "webui.plugins.hooks"),
        ("webui/service.py", "webui.app"),
        ("webui/engine/x.py", "webui.jobs.queue"),
        ("webui/bootstrap/x.py", "webui.core.errors"),
        ("webui/app.py", "webui.bootstrap.main"),
    ],
)
def test_what_is_beside_or_above_is_refused(path: str, module: str) -> None:
    assert list(upward_imports(Source(path, f"from {module} import x")))


@pytest.mark.parametrize("module", TORCH_FREE)
def test_the_web_process_never_imports_torch(module: str) -> None:
    code = (
        f"import sys, {module}; found = [m for m in {HEAVY[:3]!r} if m in sys.modules]; sys.exit(' '.join(found) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=PROGRAM_DIR,
        env={**os.environ, "GRADIO_ANALYTICS_ENABLED": "False"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
