"""Write docs/extensions/contract.md: every name that extensions may count on, with its signature and what it is."""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import webui.extend
import webui.extend.testing
import webui.extend.worker

PAGE = Path(__file__).parents[1] / "docs" / "extensions" / "contract.md"
COMMAND = "python -m tools.contract_page"
MODULES = (
    (webui.extend, "No torch; for extension.py and everything else."),
    (webui.extend.worker, "Brings torch with it; for worker.py."),
    (webui.extend.testing, "For tests ([Testing](testing.md))."),
)
_HEAD = f"""# The contract

All names that an extension may count on, version {webui.extend.API}, with their signatures. A name that is taken
out, or an argument that changes its meaning, warns for two minor versions first; new ones may come at any time, so give
arguments by name. Written by `{COMMAND}`.
"""


def page() -> str:
    """The whole page."""
    parts = [_HEAD]
    for module, about in MODULES:
        parts.append(f"\n## {module.__name__}\n\n{about}\n")
        parts += [f"\n{entry}\n" for entry in _entries(module)]
    return "".join(parts)


def _entries(module: ModuleType) -> Iterator[str]:
    for name in sorted(module.__all__, key=str.casefold):
        value = getattr(module, name)
        yield "<br>".join((f"`{name}{_signature(value)}`", *filter(None, [_about(value)]), *_methods(value)))


def _methods(value: Any) -> Iterator[str]:
    """What can be asked of a class of the house's own, by name: methods with their signatures, and properties."""
    if not inspect.isclass(value) or not value.__module__.startswith("webui") or issubclass(value, BaseException):
        return
    for name, member in sorted(vars(value).items()):
        if name.startswith("_"):
            continue
        function = getattr(member, "fget", None) or getattr(member, "__func__", member)
        if not inspect.isfunction(function):
            continue
        text = _plain(str(inspect.signature(function)))
        if isinstance(member, property):
            text = ":" + text.rpartition("->")[2]
        yield f"- `.{name}{re.sub(r'^[(](self|cls)(, )?', '(', text)}`"


def _signature(value: Any) -> str:
    if not callable(value):
        return f" = {value!r}" if isinstance(value, str) else ""
    if inspect.isclass(value) and issubclass(value, BaseException):
        return ""
    if inspect.isclass(value) and getattr(value, "_is_protocol", False):
        return _members(value)
    try:
        text = str(inspect.signature(value))
    except (TypeError, ValueError):
        return ""
    if dataclasses.is_dataclass(value):
        text = text.removesuffix(" -> None")
    return _plain(text)


def _plain(text: str) -> str:
    """A signature as a person would write it."""
    # Factories and objects show themselves by their place in memory.
    text = re.sub(r"<(?:factory|function|class|object)[^>]*>", "...", re.sub(r" at 0x[0-9a-f]+", "", text))
    # Annotations are texts, as all modules have them read late.
    return re.sub(r"""(: |-> )(?:'([^']*)'|"([^"]*)")""", r"\1\2\3", text)


def _members(protocol: type) -> str:
    names = {*getattr(protocol, "__annotations__", {}), *(n for n in vars(protocol) if not n.startswith("_"))}
    return f": {', '.join(sorted(names))}"


def _about(value: Any) -> str:
    """The docstring's first paragraph; what inherits it from Python's own types has none."""
    text = inspect.getdoc(value) if inspect.isclass(value) or inspect.isfunction(value) else None
    if not text or (inspect.isclass(value) and not value.__module__.startswith("webui")):
        return ""
    return " ".join(text.split("\n\n")[0].split())


def main() -> int:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
