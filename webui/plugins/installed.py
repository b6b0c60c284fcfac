"""Whether the packages that rows need are there. Nothing is imported, so that the web process may ask of any."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Protocol


class NeedsPackage(Protocol):
    """A row that names what must be installed, by the name it is imported by; "" for nothing."""

    @property
    def package(self) -> str: ...


def not_installed(row: NeedsPackage) -> str:
    """That the row's package is not there, as a sentence without its full stop; "" where it is or none is needed."""
    try:
        missing = row.package and find_spec(row.package) is None
    except (ImportError, ValueError):
        # Something of that name is imported already and says nothing of where it came from.
        missing = False
    return f"the package {row.package} is not installed" if missing else ""
