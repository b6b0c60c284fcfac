"""Which folder of extensions' packages counts, and how a process comes to import from it: after everything else."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from webui.core.settings import write_atomically

FOLDER = "extensions-packages"
_POINTER = "current.json"


@dataclass(frozen=True, slots=True)
class Overlay:
    """A built folder; None where no extension needs anything. packages: what is in it, version by name; wanted: the
    requirements that it was built for.
    """

    folder: Path | None = None
    packages: Mapping[str, str] = field(default_factory=dict)
    wanted: tuple[str, ...] = ()


def current(state: Path) -> Overlay:
    """The overlay that counts now. A pointer that is damaged, or leads nowhere, leads to none."""
    try:
        data: Any = json.loads((state / FOLDER / _POINTER).read_text("utf-8"))
        folder = state / FOLDER / str(data["folder"])
        packages = {str(name): str(version) for name, version in data["packages"].items()}
        wanted = tuple(map(str, data["wanted"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Overlay()
    usable = folder.parent == state / FOLDER and folder.name.isalnum() and folder.is_dir()
    return Overlay(folder, packages, wanted) if usable else Overlay()


def switch(overlay: Overlay, state: Path) -> None:
    """Have this overlay count from now on, in one step; running processes go on with theirs. Raises StorageProblem."""
    pointer = {
        "folder": overlay.folder.name if overlay.folder else "",
        "packages": dict(overlay.packages),
        "wanted": list(overlay.wanted),
    }
    write_atomically(state / FOLDER / _POINTER, json.dumps(pointer, indent=2, sort_keys=True) + "\n")


def use_packages(state: Path) -> None:
    """Let this process import from the overlay, after everything else: it shadows nothing."""
    folder = current(state).folder
    # A process that was started by another has that one's path.
    sys.path[:] = [place for place in sys.path if (state / FOLDER) not in Path(place).parents]
    if folder is not None:
        sys.path.append(str(folder))


def sweep(state: Path) -> None:
    """Remove overlays that count no more; only while no other process of this house runs, which may use one."""
    kept = current(state).folder
    for folder in (state / FOLDER).glob("*"):
        if folder.is_dir() and folder != kept:
            shutil.rmtree(folder, ignore_errors=True)
