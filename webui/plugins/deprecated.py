"""Names of a module that go: they still lead to what replaces them, and say so."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping
from typing import Any

Going = Mapping[str, tuple[str, str]]
"""Name -> (what replaces it in the same module, the version of the contract in which it is taken out)."""


def going(module: str, names: Going) -> Callable[[str], Any]:
    """The `__getattr__` of a module for names that it has no more. It warns, and raises AttributeError for others."""

    def lookup(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        replacement, version = names[name]
        # Whoever runs the extension is shown a FutureWarning, a DeprecationWarning hardly anybody.
        warnings.warn(
            f"{module}.{name} is taken out in version {version} of the contract; use {replacement}.",
            FutureWarning,
            stacklevel=2,
        )
        return getattr(sys.modules[module], replacement)

    return lookup
