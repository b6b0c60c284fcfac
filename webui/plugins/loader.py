"""Find and load plugins, built-in ones first; a broken extension is reported and left out, never fatal."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import logging
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Literal

from webui.core.errors import DarkroomError
from webui.core.registry import Registry, Sampler, Table
from webui.plugins import builtin, hooks
from webui.plugins.builtin.samplers_diffusers import GROUP as DIFFUSERS
from webui.plugins.calls import sentence
from webui.plugins.manager import ExtensionReport, Plugins
from webui.plugins.manifest import Manifest, read_manifest
from webui.plugins.rows import implements

log = logging.getLogger(__name__)

Process = Literal["web", "worker"]


def load_plugins(folders: Sequence[Path], process: Process, disabled: Collection[str] = ()) -> Plugins:
    """Load the built-in plugins, then every extension in `folders`, in order of their names within each folder.

    In the worker, an extension's worker.py is loaded besides its extension.py.
    """
    plugins = Plugins()
    for name in builtin.MODULES:
        module = importlib.import_module(f"{builtin.__name__}.{name}")
        plugins.add(module, "Darkroom")
        plugins.add_rows(module)
    for folder in _extension_folders(folders):
        plugins.report(_load_extension(plugins, folder, process, disabled))
    return plugins


def build_registry(plugins: Plugins) -> Registry:
    """All tables, from the rows that the plugins brought."""
    return Registry(
        samplers=_diffusers_last(plugins.table("samplers")),
        schedules=plugins.table("schedules"),
        families=plugins.table("families"),
        architectures=plugins.table("architectures"),
        attention=plugins.table("attention_backends"),
        tabs=plugins.table("tabs"),
        commands=plugins.table("commands"),
        works=plugins.table("works"),
    )


def _diffusers_last(samplers: Table[Sampler]) -> Table[Sampler]:
    """The same with diffusers' many classes at the end, behind those of extensions."""
    return Table(samplers.kind, sorted(samplers, key=lambda row: row.group == DIFFUSERS), "sampler_name")


def _extension_folders(folders: Sequence[Path]) -> Iterator[Path]:
    for parent in folders:
        if parent.is_dir():
            for folder in sorted(parent.iterdir()):
                if folder.is_dir() and not folder.name.startswith((".", "_")):
                    yield folder


def _load_extension(plugins: Plugins, folder: Path, process: Process, disabled: Collection[str]) -> ExtensionReport:
    unread = ExtensionReport(folder.name, "", folder.name, ok=False, folder=folder)
    if folder.name in disabled:
        return replace(unread, enabled=False, problem="It is switched off in the settings.")
    try:
        manifest = read_manifest(folder)
    except (DarkroomError, OSError) as error:
        return replace(unread, problem=str(error))
    report = ExtensionReport(
        manifest.name,
        manifest.version,
        manifest.title,
        ok=True,
        description=manifest.description,
        author=manifest.author,
        folder=folder,
    )
    if manifest.name in disabled:
        return replace(report, ok=False, enabled=False, problem="It is switched off in the settings.")
    for other in plugins.reports:
        if other.ok and other.name.replace("-", "_") == manifest.name.replace("-", "_"):
            return replace(
                report, ok=False, problem=f"An extension of this name is already loaded from {other.folder}."
            )
    try:
        _load_modules(plugins, manifest, folder, process)
    except DarkroomError as error:
        return replace(report, ok=False, problem=error.detail)
    return report


def _load_modules(plugins: Plugins, manifest: Manifest, folder: Path, process: Process) -> None:
    present = [name for name in ("extension", "worker") if (folder / f"{name}.py").is_file()]
    if not present:
        raise DarkroomError("It has neither an extension.py nor, for the worker, a worker.py.")
    make_package(manifest.package, folder)
    loaded: list[ModuleType] = []
    try:
        for name in present:
            if name == "worker" and process != "worker":
                continue
            module = _import(f"{manifest.package}.{name}")
            loaded.append(module)
            plugins.add(module, manifest.name)
            if name == "worker":
                _refuse_misplaced(module)
        # Last, so that an extension whose worker.py fails leaves no rows behind.
        for module in loaded:
            plugins.add_rows(module, manifest, folder)
    except DarkroomError:
        for module in loaded:
            plugins.remove(module)
        raise


def _refuse_misplaced(worker: ModuleType) -> None:
    for hook in (*hooks.COLLECTING, *hooks.WEB):
        if implements(worker, hook):
            raise DarkroomError(f"Its {hook}() belongs into extension.py: the web process does not load worker.py.")


def make_package(name: str, folder: Path) -> None:
    """A package of this private name over the folder, fresh; its modules import each other with `from . import x`."""
    for known in [key for key in sys.modules if key == name or key.startswith(name + ".")]:
        del sys.modules[known]
    spec = importlib.machinery.ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = [str(folder)]
    sys.modules[name] = importlib.util.module_from_spec(spec)
    importlib.invalidate_caches()


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:  # whatever a stranger's module does at import, the house stays up
        log.debug("The module %s failed to load.", name, exc_info=True)
        raise DarkroomError(f"Its {name.rpartition('.')[2]}.py failed to load: {sentence(error)}") from error
