"""Packages that diffusers imports by itself wherever they are installed: a broken one must not take the worker along.

diffusers lives through some errors of such an import and not through others, as an AttributeError of a package that was
built for another torch. Imports no torch itself.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from webui.core.errors import first_line

_OPTIONAL = ("xformers.ops", "flash_attn", "flash_attn_interface", "sageattention")


class _Broken(Loader):
    """Loads a module by raising what its first import raised, as an ImportError."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        raise ImportError(self._reason, name=module.__name__)


class _KeptOut(MetaPathFinder):
    """Finds the broken packages, so that looking for one (find_spec) is no error and importing it is an ImportError."""

    def __init__(self, reasons: Mapping[str, str]) -> None:
        self._reasons = reasons

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        reason = self._reasons.get(fullname)
        return None if reason is None else ModuleSpec(fullname, _Broken(reason))


def keep_out_broken(names: Sequence[str] = _OPTIONAL) -> Mapping[str, str]:
    """Try these imports before diffusers does; those that fail raise nothing but ImportError from now on.

    Returns what was raised, by module: the named one, or the package that it lies in where that is what fails. What is
    not installed stays as it is.
    """
    reasons: dict[str, str] = {}
    for name in names:
        try:
            import_module(name)
        except ModuleNotFoundError as error:
            if error.name not in (name, name.partition(".")[0]):
                reasons[_failed(name)] = first_line(error)
        except Exception as error:  # noqa: BLE001 a broken package raises whatever it likes
            reasons[_failed(name)] = f"{type(error).__name__}: {first_line(error)}"
    if reasons:
        sys.meta_path.insert(0, _KeptOut(reasons))
    return reasons


def _failed(name: str) -> str:
    """The first package on the way to a module whose import has failed, which are those that are not there now."""
    parts = name.split(".")
    ways = (".".join(parts[: count + 1]) for count in range(len(parts)))
    return next(way for way in ways if way not in sys.modules)
