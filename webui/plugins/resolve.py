"""Turn "module:function" into the function, in the process that needs it."""

from __future__ import annotations

import importlib
from typing import Any

from webui.core.errors import DarkroomError, nearest


def split(reference: str) -> tuple[str, str]:
    """The module and the name of a reference; raises DarkroomError when it is not of the form "module:function"."""
    module, colon, name = reference.partition(":")
    if not (colon and name.isidentifier() and all(part.isidentifier() for part in module.split("."))):
        raise DarkroomError(f"'{reference[:100]}' is no reference of the form \"module:function\".")
    return module, name


def resolve(reference: str) -> Any:
    """What the reference names; raises DarkroomError with a sentence when there is no such module or name."""
    module_name, name = split(reference)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise DarkroomError(f"'{reference}' cannot be loaded: there is no module '{error.name}'.") from error
    try:
        return getattr(module, name)
    except AttributeError as error:
        near = nearest(name, vars(module))
        hint = f" Did you mean '{near}'?" if near else ""
        raise DarkroomError(f"The module '{module_name}' has no '{name}'.{hint}") from error
