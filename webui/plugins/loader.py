"""Find and load plugins, built-in ones first; a broken extension is reported and left out, never fatal."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import logging
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Literal

from webui.core.errors import DarkroomError
from webui.core.registry import Registry, Sampler, Table
from webui.plugins import builtin, hooks
from webui.plugins.builtin.samplers_diffusers import GROUP as DIFFUSERS
from webui.plugins.builtin.upscalers import upscalers
from webui.plugins.calls import LOAD_SECONDS, answer_within
from webui.plugins.manager import ExtensionReport, Loaded, Plugins
from webui.plugins.manifest import FILE, Manifest, read_manifest, same
from webui.plugins.marks import Marks
from webui.plugins.meter import sentence, trace_of
from webui.plugins.order import Cycles, in_order
from webui.plugins.origins import NAME
from webui.plugins.own_settings import FILE as OWN_SETTINGS
from webui.plugins.own_settings import READER, OwnSettings
from webui.plugins.rows import implements

log = logging.getLogger(__name__)

Process = Literal["web", "worker"]

BUILT_IN = "Darkroom"
"""Where rows and hooks come from that no extension brought."""
_SWITCHED_OFF = "It is switched off in the settings."
GONE = "Its folder is gone."
"""What is said of an extension whose folder was taken away while Darkroom ran."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A folder that should hold an extension; `manifest` only where it is to be loaded."""

    folder: Path
    report: ExtensionReport
    manifest: Manifest | None = None


def load_plugins(
    folders: Sequence[Path],
    process: Process,
    disabled: Collection[str] = (),
    marks: Marks | None = None,
    *,
    state: Path | None = None,
    told: Collection[tuple[str, str]] = (),
) -> Plugins:
    """Load the built-in plugins, then every extension in `folders`: in order of their names within each folder, but
    for those that say before or after whom they come.

    In the worker, an extension's worker.py is loaded besides its extension.py. marks: see `Meter.marks`. state: the
    folder of the program's own files, where the owner's settings of extensions are; None for none. told: names of
    extensions and why they were left out, where the log has that already.
    """
    plugins = _built_in(Plugins(own=OwnSettings(state and state / OWN_SETTINGS)))
    plugins.meter.marks = marks
    _load_all(plugins, [_found(folder, disabled) for folder in _extension_folders(folders)], process, None, told)
    return plugins


def switched(before: Plugins, on: Collection[str], stay: Collection[str] = ()) -> Plugins:
    """The web process's plugins where only the extensions of these names are on; they are measured on.

    Those that are on already keep their modules and what they know; the others are loaded as they lie there now. None
    is looked for that `before` did not find. stay: the names of those that are kept even where their folder is gone.
    """
    plugins = _built_in(Plugins(before.meter, before.own_settings))
    told = [(report.name, report.problem) for report in before.reports]
    _load_all(plugins, [_again(report, before, on, stay) for report in before.reports], "web", before, told)
    return plugins


def _again(report: ExtensionReport, before: Plugins, on: Collection[str], stay: Collection[str]) -> _Found:
    known = before.loaded(report.folder) if report.folder else None
    if report.folder is None:
        return _Found(Path(report.name), report)
    if report.name not in on:
        return _Found(report.folder, replace(report, ok=False, enabled=False, problem=_SWITCHED_OFF, trace=""))
    if not report.folder.is_dir() and not (known and report.name in stay):
        # Not even what is still in memory: workers no longer find it, and its rows name functions that they call.
        return _Found(report.folder, replace(report, ok=False, problem=GONE, trace=""))
    if known is not None:
        return _Found(report.folder, report, known.manifest)
    return _found(report.folder, ())


def _built_in(plugins: Plugins) -> Plugins:
    """The same with what is no extension's."""
    for name in builtin.MODULES:
        module = importlib.import_module(f"{builtin.__name__}.{name}")
        plugins.add(module, BUILT_IN)
        plugins.add_rows(module)
    return plugins


def _load_all(
    plugins: Plugins,
    candidates: Sequence[_Found],
    process: Process,
    before: Plugins | None,
    told: Collection[tuple[str, str]],
) -> None:
    """Load what is to be loaded of these, and report of each. before: whose modules are taken on."""
    found = _without_twins(candidates)
    manifests = [one.manifest for one in found if one.manifest is not None]
    order, cycles = in_order(manifests)
    reports = {manifest.name: _in_cycle(manifest, cycles) for manifest in manifests if manifest.name in cycles}
    for manifest in order:
        (folder,) = (one.folder for one in found if one.manifest is manifest)
        known = before.loaded(folder) if before else None
        reports[manifest.name] = _load(plugins, manifest, folder, process, reports, known)
    for one in found:
        report = one.report if one.manifest is None else replace(reports[one.manifest.name], folder=one.folder)
        plugins.report(report, is_known=(report.name, report.problem) in told)


def build_registry(plugins: Plugins) -> Registry:
    """All tables, from the rows that the plugins brought."""
    return Registry(
        samplers=_diffusers_last(plugins.table("samplers")),
        schedules=plugins.table("schedules"),
        families=plugins.table("families"),
        architectures=plugins.table("architectures"),
        attention=plugins.table("attention_backends"),
        guidance=plugins.table("guidance"),
        post_processing=plugins.table("post_processing"),
        scripts=plugins.table("scripts"),
        routes=plugins.table("routes"),
        model_sources=plugins.table("model_sources"),
        metadata_readers=plugins.table("metadata_readers"),
        tabs=plugins.table("tabs"),
        commands=plugins.table("commands"),
        works=plugins.table("works"),
        upscalers=upscalers(),
        panels=plugins.panels,
    )


def _diffusers_last(samplers: Table[Sampler]) -> Table[Sampler]:
    """The same with diffusers' many classes at the end, behind those of extensions."""
    return Table(samplers.kind, sorted(samplers, key=lambda row: row.group == DIFFUSERS), "sampler_name")


def _extension_folders(folders: Sequence[Path]) -> Iterator[Path]:
    for parent in folders:
        if (parent / FILE).is_file():
            # An author's one extension, wherever it lies.
            yield parent
        elif parent.is_dir():
            for folder in sorted(parent.iterdir()):
                if folder.is_dir() and not folder.name.startswith((".", "_")):
                    yield folder


def _found(folder: Path, disabled: Collection[str]) -> _Found:
    unread = ExtensionReport(folder.name, "", folder.name, ok=False, folder=folder)
    if folder.name in disabled:
        return _Found(folder, replace(unread, enabled=False, problem=_SWITCHED_OFF))
    try:
        manifest = read_manifest(folder)
    except (DarkroomError, OSError) as error:
        return _Found(folder, replace(unread, problem=str(error)))
    if manifest.name in disabled:
        report = replace(_report(manifest), ok=False, enabled=False, problem=_SWITCHED_OFF, folder=folder)
        return _Found(folder, report)
    return _Found(folder, _report(manifest), manifest)


def _without_twins(found: Sequence[_Found]) -> list[_Found]:
    """The same, where of two extensions of one name only the first is to be loaded."""
    kept: list[_Found] = []
    for one in found:
        twins = (o.folder for o in kept if one.manifest and o.manifest and same(o.manifest.name, one.manifest.name))
        twin = next(twins, None)
        if twin is not None:
            one = _Found(one.folder, replace(one.report, ok=False, problem=taken(twin), folder=one.folder))
        kept.append(one)
    return kept


def taken(folder: Path) -> str:
    """What is said of an extension where the one in this folder has its name."""
    return f"An extension of this name is already loaded from {folder}."


def _report(manifest: Manifest) -> ExtensionReport:
    return ExtensionReport(
        manifest.name,
        manifest.version,
        manifest.title,
        ok=True,
        description=manifest.description,
        author=manifest.author,
    )


def _in_cycle(manifest: Manifest, cycles: Cycles) -> ExtensionReport:
    names = " and ".join(f"'{name}'" for name in cycles[manifest.name])
    problem = f"{names} each want to come after one another (before, after and requires in their {FILE})."
    return replace(_report(manifest), ok=False, problem=problem)


def _load(
    plugins: Plugins,
    manifest: Manifest,
    folder: Path,
    process: Process,
    so_far: Mapping[str, ExtensionReport],
    known: Loaded | None,
) -> ExtensionReport:
    """Load one whose manifest is fine. so_far: what became of those before it. known: its modules, where it has been
    loaded before.
    """
    report = _report(manifest)
    loaded = [name for name, other in so_far.items() if other.ok]
    for name in manifest.requires:
        if not any(same(name, other) for other in loaded):
            return replace(report, ok=False, problem=f"It requires the extension '{name}', which is not loaded.")
    plugins.meter.entered(manifest.name)
    try:
        _load_modules(plugins, manifest, folder, process, known)
    except DarkroomError as error:
        trace = trace_of(error.__cause__) if error.__cause__ else ""
        return replace(report, ok=False, problem=error.detail, trace=trace)
    finally:
        plugins.meter.left(manifest.name)
    return report


def _load_modules(plugins: Plugins, manifest: Manifest, folder: Path, process: Process, known: Loaded | None) -> None:
    present = list(known.modules) if known else _present(folder)
    if not present and not known:
        raise DarkroomError("It has neither an extension.py nor, for the worker, a worker.py.")
    if not known:
        plugins.meter.repeats.forget(manifest.name)
        make_package(manifest.package, folder)
        setattr(sys.modules[manifest.package], NAME, manifest.name)
        setattr(sys.modules[manifest.package], READER, partial(plugins.settings_of, manifest.name))
    loaded: list[ModuleType] = []
    modules: dict[str, ModuleType] = {}
    try:
        for name in present:
            if name == "worker" and process != "worker":
                continue
            module = known.modules[name] if known else _import(f"{manifest.package}.{name}")
            modules[name] = module
            loaded.append(module)
            plugins.add(module, manifest.name)
            if name == "worker":
                _refuse_misplaced(module)
        # Last, so that an extension whose worker.py fails leaves no rows behind.
        for module in loaded:
            plugins.add_rows(module, manifest, folder)
        plugins.keep(folder, Loaded(manifest, modules))
    except DarkroomError:
        for module in loaded:
            plugins.remove(module)
        raise


def _present(folder: Path) -> list[str]:
    return [name for name in ("extension", "worker") if (folder / f"{name}.py").is_file()]


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
    file = f"{name.rpartition('.')[2]}.py"
    try:
        return answer_within(LOAD_SECONDS, partial(importlib.import_module, name), f"load {name}")
    except TimeoutError as error:
        raise DarkroomError(f"Its {file} takes longer than {LOAD_SECONDS:g} s to load.") from error
    except (Exception, SystemExit) as error:  # whatever a stranger's module does at import, the house stays up
        log.debug("The module %s failed to load.", name, exc_info=True)
        raise DarkroomError(f"Its {file} failed to load: {sentence(error)}") from error
