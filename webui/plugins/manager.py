"""The plugins of one process: their hooks, their rows, and what became of each extension."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

import pluggy

from webui.core.panels import Panels
from webui.core.registry import Table
from webui.plugins.calls import DEADLINE_SECONDS, Bound, Calls
from webui.plugins.manifest import Manifest
from webui.plugins.meter import HookTime, Meter
from webui.plugins.own_settings import OwnSettings
from webui.plugins.rows import Tables, empty_tables, extended

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ExtensionReport:
    """What became of one extension. `problem` is a sentence when not `ok`; `enabled` is False when switched off.

    `trace`: of the error that kept it from being loaded. `hooks`: what its hooks have cost, in each process.
    """

    name: str
    version: str
    title: str
    ok: bool
    problem: str = ""
    enabled: bool = True
    description: str = ""
    author: str = ""
    folder: Path | None = None
    trace: str = ""
    hooks: tuple[HookTime, ...] = ()


@dataclass(frozen=True, slots=True)
class Loaded:
    """The modules of one extension that was loaded, by their names in its folder ("extension")."""

    manifest: Manifest
    modules: Mapping[str, ModuleType]


@dataclass(slots=True)
class _State:
    """All that there is of plugins, replaced as one value when extensions are switched."""

    calls: Calls
    tables: Tables
    reports: list[ExtensionReport]
    brought: dict[str, dict[str, tuple[str, ...]]]
    loaded: dict[Path, Loaded]


class Plugins:
    """The plugins of one process. Made by `load_plugins`; `reports` has a row for each extension that was found."""

    def __init__(self, meter: Meter | None = None, own: OwnSettings | None = None) -> None:
        """meter: one that goes on measuring. own: what the owner has set for extensions."""
        self.own_settings = own or OwnSettings(None)
        self._now = _State(Calls(self.options_of, meter), empty_tables(), [], {}, {})

    def become(self, others: Plugins) -> None:
        """Be these plugins from now on. What is being called of the former ones goes on."""
        self._now = others._now

    @property
    def hook(self) -> pluggy.HookRelay:
        """See `Calls.hook`."""
        return self._now.calls.hook

    @property
    def reports(self) -> tuple[ExtensionReport, ...]:
        """What became of each extension, in the order they were found."""
        return tuple(self._now.reports)

    @property
    def meter(self) -> Meter:
        """What runs the extensions' code, and how long that took."""
        return self._now.calls.meter

    @property
    def panels(self) -> Panels:
        """The fields of extensions."""
        return {panel.name: panel for panel in self._now.tables["fields"]}

    def brought(self, extension: str) -> Mapping[str, tuple[str, ...]]:
        """The names of the rows that an extension has brought, by their collecting hook."""
        return MappingProxyType(self._now.brought.get(extension, {}))

    def options_of(self, origin: str, request: Any) -> Mapping[str, Any]:
        """All fields of an extension, by its own names, as this request has them; read-only."""
        panels = self._now.tables["fields"]
        if request is None or origin not in panels:
            return MappingProxyType({})
        options: Mapping[str, Any] = panels.get(origin).options(request.extensions)
        return options

    def has(self, hook: str) -> bool:
        """Whether any plugin implements this hook."""
        return self._now.calls.has(hook)

    def bound(self, hook: str, request: Any = None) -> tuple[Bound, ...]:
        """See `Calls.bound`."""
        return self._now.calls.bound(hook, request)

    def transform(self, hook: str, value: Any, kind: type | None = None, **context: Any) -> Any:
        """See `Calls.transform`."""
        return self._now.calls.transform(hook, value, kind, **context)

    def observe(self, hook: str, deadline_seconds: float = DEADLINE_SECONDS, **arguments: Any) -> None:
        """See `Calls.observe`."""
        self._now.calls.observe(hook, deadline_seconds, **arguments)

    def switched_on(self, kind: str, request: Any) -> list[tuple[Any, Mapping[str, Any]]]:
        """The rows of a kind that are on in this request, each with the values of its extension's fields.

        Those of an extension that has fields are on only where the extension is, and the field that their row names.
        """
        found = []
        for row in self._now.tables[kind]:
            options = self.options_of(row.extension, request)
            if self.is_on(row.extension, request) and (not row.when or options[row.when]):
                found.append((row, options))
        return found

    def is_on(self, extension: str, request: Any) -> bool:
        """Whether an extension is on in this request; one without fields always is."""
        return extension not in self._now.tables["fields"] or extension in request.extensions

    def table(self, hook: str) -> Table[Any]:
        """The rows that a collecting hook brought."""
        return self._now.tables[hook]

    def add(self, module: ModuleType, origin: str) -> None:
        """Register the hooks of one module; raises DarkroomError for a hook or an argument that does not exist."""
        self._now.calls.add(module, origin)

    def remove(self, module: ModuleType) -> None:
        """Take the hooks of one module out again."""
        self._now.calls.remove(module)

    def add_rows(self, module: ModuleType, extension: Manifest | None = None, folder: Path | None = None) -> None:
        """Collect a module's rows, all or none; raises DarkroomError when one is wrong or its name is taken."""
        tables = extended(self._now.tables, module, extension, folder, self._bringer)
        if extension:
            of = self._now.brought.setdefault(extension.name, {})
            for hook, table in tables.items():
                fresh = tuple(row.name for row in table if row.name not in self._now.tables[hook])
                if fresh:
                    of[hook] = (*of.get(hook, ()), *fresh)
        self._now.tables = tables

    def _bringer(self, hook: str, name: str) -> str:
        """The extension that brought the row of this name; "" for Darkroom's own."""
        return next((one for one, rows in self._now.brought.items() if name in rows.get(hook, ())), "")

    def keep(self, folder: Path, loaded: Loaded) -> None:
        """Remember the modules of an extension that was loaded from this folder."""
        self._now.loaded[folder] = loaded

    def settings_of(self, extension: str) -> Mapping[str, Any]:
        """What the owner has set for an extension; empty for one without settings. Raises StorageProblem."""
        panels = self._now.tables["settings"]
        return self.own_settings.values(panels.get(extension)) if extension in panels else MappingProxyType({})

    def loaded(self, folder: Path) -> Loaded | None:
        """What was loaded from this folder; None where nothing was."""
        return self._now.loaded.get(folder)

    @property
    def off(self) -> tuple[str, ...]:
        """The names of the extensions that are switched off in this process."""
        return tuple(report.name for report in self.reports if not report.enabled)

    def left_out(self) -> list[tuple[str, str]]:
        """The names of the extensions that are on and yet left out, each with the reason: the log has them."""
        return [(report.name, report.problem) for report in self.reports if report.enabled and not report.ok]

    def report(self, report: ExtensionReport, *, is_known: bool = False) -> None:
        """Note what became of an extension, in the list and in the log. is_known: the log has it already."""
        self._now.reports.append(report)
        if report.ok:
            log.debug("Extension '%s' %s loaded.", report.name, report.version)
        elif report.enabled and not is_known:
            log.warning("Extension '%s' is left out. %s", report.name, report.problem)
