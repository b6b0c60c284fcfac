"""Find and load plugins, built-in ones first; a broken extension is reported and left out, never fatal."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import logging
import sys
import threading
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import pluggy

from webui.core.errors import DarkroomError
from webui.core.registry import (
    Architecture,
    AttentionBackend,
    Command,
    Family,
    Registry,
    Sampler,
    Schedule,
    Tab,
    Table,
    Work,
)
from webui.plugins import builtin, hooks
from webui.plugins.builtin.samplers_diffusers import GROUP as DIFFUSERS
from webui.plugins.manifest import Manifest, read_manifest
from webui.plugins.resolve import split

log = logging.getLogger(__name__)

Process = Literal["web", "worker"]

DEADLINE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class ExtensionReport:
    """What became of one extension. `problem` is a sentence when not `ok`; `enabled` is False when switched off."""

    name: str
    version: str
    title: str
    ok: bool
    problem: str = ""
    enabled: bool = True
    description: str = ""
    author: str = ""
    folder: Path | None = None


@dataclass(frozen=True, slots=True)
class _Kind:
    """One collecting hook: what its rows are, and which of their fields are each a "module:function"."""

    hook: str
    row: type[Any]
    title: str
    functions: tuple[str, ...] = ("function",)
    field: str | None = None
    mapped: str | None = None
    """A field that holds more of them, by a name each."""

    def table(self) -> Table[Any]:
        return Table(self.title, (), self.field)


_KINDS = (
    _Kind("samplers", Sampler, "sampler", field="sampler_name"),
    _Kind("schedules", Schedule, "schedule", field="scheduler"),
    _Kind("families", Family, "family", ("function", "count_tokens")),
    _Kind("architectures", Architecture, "architecture", ("recognise", "build"), mapped="layouts"),
    _Kind("attention_backends", AttentionBackend, "attention backend", field="attention"),
    _Kind("tabs", Tab, "tab", ("build",)),
    _Kind("commands", Command, "command", ("run",)),
    _Kind("works", Work, "work", ("accept", "files", "function")),
)


class Plugins:
    """The plugins of one process. Made by `load_plugins`; `reports` has a row for each extension that was found."""

    def __init__(self) -> None:
        self._manager = pluggy.PluginManager(hooks.PROJECT)
        for specification in hooks.SPECIFICATIONS:
            self._manager.add_hookspecs(specification)
        self._tables = {kind.hook: kind.table() for kind in _KINDS}
        self._origins: dict[str, str] = {}
        self._reports: list[ExtensionReport] = []

    @property
    def hook(self) -> pluggy.HookRelay:
        """Every hook as a callable that asks all plugins with keyword arguments and returns the list of answers."""
        return self._manager.hook

    @property
    def reports(self) -> tuple[ExtensionReport, ...]:
        """What became of each extension, in the order they were found."""
        return tuple(self._reports)

    def has(self, hook: str) -> bool:
        """Whether any plugin implements this hook."""
        return bool(self._implementations(hook))

    def transform(self, hook: str, value: Any, **context: Any) -> Any:
        """Hand `value` through all plugins in the order they were loaded; None as an answer leaves it as it is.

        The value goes by the hook's first argument. An error inside a plugin becomes a DarkroomError that names it.
        """
        for implementation in self._implementations(hook):
            arguments = {self._first_argument(hook): value, **context}
            try:
                answer = implementation.function(*(arguments[name] for name in implementation.argnames))
            except DarkroomError:
                raise
            except Exception as error:
                name = self._origins[implementation.plugin_name]
                raise DarkroomError(f"The extension '{name}' failed in {hook}: {_sentence(error)}") from error
            value = value if answer is None else answer
        return value

    def observe(self, hook: str, deadline_seconds: float = DEADLINE_SECONDS, **arguments: Any) -> None:
        """Tell all plugins, one after the other; waits for each at most `deadline_seconds`. Errors are logged only.

        It blocks: call it outside the event loop.
        """
        for implementation in self._implementations(hook):
            values = [arguments[name] for name in implementation.argnames]
            name = self._origins[implementation.plugin_name]
            thread = threading.Thread(
                target=_tell, args=(implementation.function, values, name, hook), name=f"{hook} of {name}", daemon=True
            )
            thread.start()
            thread.join(deadline_seconds)
            if thread.is_alive():
                log.warning("The extension '%s' takes longer than %g s in %s; going on.", name, deadline_seconds, hook)

    def table(self, hook: str) -> Table[Any]:
        """The rows that a collecting hook brought."""
        return self._tables[hook]

    def add(self, module: ModuleType, origin: str) -> None:
        """Register the hooks of one module; raises DarkroomError for a hook or an argument that does not exist."""
        try:
            self._manager.register(module, module.__name__)
            self._manager.check_pending()
            for caller in self._manager.get_hookcallers(module) or ():
                if any(
                    found.plugin is module and (found.wrapper or found.hookwrapper) for found in caller.get_hookimpls()
                ):
                    raise ValueError(f"{caller.name} is a wrapper, and Darkroom's hooks take none")
        except (pluggy.PluginValidationError, ValueError) as error:
            if self._manager.has_plugin(module.__name__):
                self._manager.unregister(name=module.__name__)
            raise DarkroomError(_validation(error)) from error
        self._origins[module.__name__] = origin

    def remove(self, module: ModuleType) -> None:
        """Take the hooks of one module out again."""
        if self._manager.has_plugin(module.__name__):
            self._manager.unregister(name=module.__name__)

    def add_rows(self, module: ModuleType, extension: Manifest | None = None, folder: Path | None = None) -> None:
        """Collect a module's rows, all or none; raises DarkroomError when one is wrong or its name is taken."""
        fresh = {kind.hook: _copy(self._tables[kind.hook], kind) for kind in _KINDS}
        for kind in _KINDS:
            for row in _ask(module, kind):
                if extension and folder:
                    row = _own(row, kind, extension, folder)
                fresh[kind.hook].add(row)
        self._tables = fresh

    def report(self, report: ExtensionReport) -> None:
        """Note what became of an extension, in the list and in the log."""
        self._reports.append(report)
        if report.ok:
            log.debug("Extension '%s' %s loaded.", report.name, report.version)
        elif report.enabled:
            log.warning("Extension '%s' is left out. %s", report.name, report.problem)

    def _implementations(self, hook: str) -> list[pluggy.HookImpl]:
        # pluggy itself calls the last registered first; a value goes through extensions in the order they were loaded.
        caller: pluggy.HookCaller = getattr(self._manager.hook, hook)
        return sorted(caller.get_hookimpls(), key=lambda found: (not found.tryfirst, found.trylast))

    def _first_argument(self, hook: str) -> str:
        caller: pluggy.HookCaller = getattr(self._manager.hook, hook)
        return str(caller.spec.argnames[0]) if caller.spec else ""


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
        if _implements(worker, hook):
            raise DarkroomError(f"Its {hook}() belongs into extension.py: the web process does not load worker.py.")


def _implements(module: ModuleType, hook: str) -> bool:
    return hasattr(getattr(module, hook, None), f"{hooks.PROJECT}_impl")


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
        raise DarkroomError(f"Its {name.rpartition('.')[2]}.py failed to load: {_sentence(error)}") from error


def _ask(module: ModuleType, kind: _Kind) -> list[Any]:
    if not _implements(module, kind.hook):
        return []
    try:
        rows = getattr(module, kind.hook)()
    except DarkroomError:
        raise
    except Exception as error:
        log.debug("The hook %s of %s failed.", kind.hook, module.__name__, exc_info=True)
        raise DarkroomError(f"Its {kind.hook}() failed: {_sentence(error)}") from error
    if not isinstance(rows, list | tuple) or not all(isinstance(row, kind.row) for row in rows):
        raise DarkroomError(f"Its {kind.hook}() must return a list of {kind.row.__name__} rows.")
    return list(rows)


def _own(row: Any, kind: _Kind, extension: Manifest, folder: Path) -> Any:
    """The row as an extension means it: a module of the extension's own folder comes before any other of that name."""

    def own(function: str) -> str:
        module, name = split(function)
        first = module.split(".")[0]
        if (folder / f"{first}.py").is_file() or (folder / first).is_dir():
            return f"{extension.package}.{module}:{name}"
        if importlib.util.find_spec(first) is None:
            raise DarkroomError(f"Its {kind.title} '{row.name}' names a module '{module}', which does not exist.")
        return function

    changed: dict[str, Any] = {field: own(getattr(row, field)) for field in kind.functions}
    if kind.mapped:
        changed[kind.mapped] = {name: own(function) for name, function in getattr(row, kind.mapped).items()}
    row = replace(row, **changed)
    return replace(row, group=extension.title) if isinstance(row, Sampler) else row


def _copy(table: Table[Any], kind: _Kind) -> Table[Any]:
    fresh = kind.table()
    for row in table:
        fresh.add(row)
    return fresh


def _tell(function: Any, values: list[Any], name: str, hook: str) -> None:
    try:
        function(*values)
    except Exception:
        log.exception("The extension '%s' failed in %s.", name, hook)


def _sentence(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ").rstrip(".")[:300] + "."


def _validation(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"One of its hooks does not fit: {text.rstrip('.')[:300]}."
