"""Packages that diffusers imports by itself wherever they are installed: a broken one must not take the worker along.

diffusers lives through some errors of such an import and not through others, as an AttributeError of a package that was
built for another torch. Imports no torch itself.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from webui.core.errors import first_line

_OPTIONAL = ("xformers.ops", "flash_attn", "flash_attn_interface", "sageattention")


class _KeptOut(MetaPathFinder):
    """Answers an import of a broken package with what its first import raised, as an ImportError."""

    def __init__(self, reasons: Mapping[str, str]) -> None:
        self._reasons = reasons

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname in self._reasons:
            raise ImportError(self._reasons[fullname], name=fullname)
        return None


def keep_out_broken(names: Sequence[str] = _OPTIONAL) -> Mapping[str, str]:
    """Try these imports before diffusers does; those that fail raise nothing but ImportError from now on.

    Returns what was raised, by module. What is not installed stays as it is.
    """
    reasons: dict[str, str] = {}
    for name in names:
        try:
            import_module(name)
        except ModuleNotFoundError as error:
            if error.name not in (name, name.partition(".")[0]):
                reasons[name] = first_line(error)
        except Exception as error:  # noqa: BLE001 a broken package raises whatever it likes
            reasons[name] = f"{type(error).__name__}: {first_line(error)}"
    if reasons:
        sys.meta_path.insert(0, _KeptOut(reasons))
    return reasons
