"""Whose code an error came from: the extension, where one of its functions was being run."""

from __future__ import annotations

import sys
import traceback

from webui.plugins.manifest import PACKAGE

NAME = "__extension_name__"
"""The attribute of an extension's package that holds its name."""


def extension_of(error: BaseException) -> str | None:
    """The extension in whose code an error was raised, or that called what raised it; the innermost; None for none."""
    found = None
    for frame, _ in traceback.walk_tb(error.__traceback__):
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if package.startswith(PACKAGE):
            found = getattr(sys.modules.get(package), NAME, package.removeprefix(PACKAGE))
    return found
