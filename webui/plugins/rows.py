"""The rows that collecting hooks bring: which kinds there are, how a module is asked, what is an extension's own."""

from __future__ import annotations

import importlib.util
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from webui.core.errors import DarkroomError, nearest
from webui.core.field import Field
from webui.core.hook_rows import Guidance, MetadataReader, ModelSource, PostProcessing, Route, Script, Setting
from webui.core.registry import (
    Architecture,
    AttentionBackend,
    Command,
    Family,
    Sampler,
    Schedule,
    Tab,
    Table,
    Work,
)
from webui.plugins import hooks
from webui.plugins.calls import LOAD_SECONDS, answer_within
from webui.plugins.manifest import Manifest
from webui.plugins.meter import sentence
from webui.plugins.panels import panel_of, settings_of
from webui.plugins.resolve import split
from webui.plugins.row_checks import check_row

log = logging.getLogger(__name__)

Tables = Mapping[str, Table[Any]]
"""The tables of all kinds, by their collecting hook."""
Owner = Callable[[str, str], str]
"""(collecting hook, name of a row) -> the extension that brought it; "" for Darkroom's own."""


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
    _Kind("guidance", Guidance, "guidance"),
    _Kind("post_processing", PostProcessing, "post-processing"),
    _Kind("scripts", Script, "script", field="script"),
    _Kind("routes", Route, "route"),
    _Kind("model_sources", ModelSource, "model source"),
    _Kind("metadata_readers", MetadataReader, "metadata reader"),
    _Kind("tabs", Tab, "tab", ("build",)),
    _Kind("commands", Command, "command", ("run",)),
    _Kind("works", Work, "work", ("accept", "files", "function")),
)


_FIELDS = _Kind("fields", Field, "extension", ())
"""All rows of an extension together are one panel, which is a row of this table."""


_SETTINGS = _Kind("settings", Setting, "extension", ())
"""The same."""


def empty_tables() -> Tables:
    """Tables without rows."""
    return {kind.hook: kind.table() for kind in (*_KINDS, _FIELDS, _SETTINGS)}


def extended(
    tables: Tables,
    module: ModuleType,
    extension: Manifest | None = None,
    folder: Path | None = None,
    owner: Owner = lambda hook, name: "",
) -> Tables:
    """The tables with a module's rows; raises DarkroomError when one is wrong or its name is taken."""
    fresh = {kind.hook: _copy(tables[kind.hook], kind) for kind in _KINDS}
    for kind in _KINDS:
        for row in _ask(module, kind, extension):
            if extension and folder:
                check_row(row, kind.title)
                row = _own(row, kind, extension, folder)
                _refuse_taken(row, tables[kind.hook], kind, owner)
            fresh[kind.hook].add(row)
    fresh[_FIELDS.hook] = _copy(tables[_FIELDS.hook], _FIELDS)
    fields = _ask(module, _FIELDS, extension)
    if fields and extension:
        fresh[_FIELDS.hook].add(panel_of(fields, extension, tables[_FIELDS.hook]))
    fresh[_SETTINGS.hook] = _copy(tables[_SETTINGS.hook], _SETTINGS)
    settings = _ask(module, _SETTINGS, extension)
    if settings and extension:
        fresh[_SETTINGS.hook].add(settings_of(settings, extension))
    if extension:
        _check_switches(fresh, extension)
    return fresh


def _refuse_taken(row: Any, table: Table[Any], kind: _Kind, owner: Owner) -> None:
    """Refuse a name that a row of somebody else's has, and say whose. table: without the module's own rows."""
    for name in (row.name, *row.aliases):
        if name in table:
            origin = owner(kind.hook, table.get(name).name)
            whose = f"the extension '{origin}'" if origin else "Darkroom itself"
            article = "an" if kind.title[0] in "aeiou" else "a"
            raise DarkroomError(f"'{name}' is already {article} {kind.title} of {whose}.")


def _check_switches(tables: Tables, extension: Manifest) -> None:
    """Refuse rows that are switched by a field which the extension does not have."""
    panels = tables[_FIELDS.hook]
    known = panels.get(extension.name).rows if extension.name in panels else ()
    for kind in _KINDS:
        for row in tables[kind.hook]:
            when = getattr(row, "when", "") if getattr(row, "extension", "") == extension.name else ""
            if when and when not in known:
                near = nearest(when, known)
                hint = f" Did you mean '{near}'?" if near else ""
                raise DarkroomError(
                    f"Its {kind.title} '{row.name}' names the field '{when}', which is not there.{hint}"
                )


def functions_of(table: Callable[[str], Table[Any]], package: str) -> Iterator[tuple[str, str]]:
    """("Its sampler 'Midpoint'", "module:function") of all functions that rows name in an extension's own modules.

    table: of a kind, by its collecting hook.
    """
    for kind in _KINDS:
        for row in table(kind.hook):
            named = [getattr(row, name) for name in kind.functions]
            named += getattr(row, kind.mapped).values() if kind.mapped else ()
            yield from ((f"Its {kind.title} '{row.name}'", one) for one in named if one.startswith(f"{package}."))


def implements(module: ModuleType, hook: str) -> bool:
    """Whether a module has a hook of this name that is marked as one."""
    return hasattr(getattr(module, hook, None), f"{hooks.PROJECT}_impl")


def _ask(module: ModuleType, kind: _Kind, extension: Manifest | None) -> list[Any]:
    if not implements(module, kind.hook):
        return []
    try:
        hook = getattr(module, kind.hook)
        rows = hook() if extension is None else answer_within(LOAD_SECONDS, hook, f"{kind.hook} of {extension.name}")
    except DarkroomError:
        raise
    except TimeoutError as error:
        raise DarkroomError(f"Its {kind.hook}() takes longer than {LOAD_SECONDS:g} s.") from error
    except (Exception, SystemExit) as error:
        log.debug("The hook %s of %s failed.", kind.hook, module.__name__, exc_info=True)
        raise DarkroomError(f"Its {kind.hook}() failed: {sentence(error)}") from error
    if not isinstance(rows, list | tuple) or not all(isinstance(row, kind.row) for row in rows):
        raise DarkroomError(f"Its {kind.hook}() must return a list of {kind.row.__name__} rows.")
    return list(rows)


def _own(row: Any, kind: _Kind, extension: Manifest, folder: Path) -> Any:
    """The row as an extension means it: a module of the extension's own folder comes before any other of that name."""

    def own(function: str) -> str:
        module, name = split(function)
        first = module.split(".")[0]
        mine = f"{extension.package}.{module}:{name}"
        if (folder / f"{first}.py").is_file() or (folder / first).is_dir():
            return mine
        is_elsewhere = importlib.util.find_spec(first) is not None
        if not folder.is_dir() and (f"{extension.package}.{first}" in sys.modules or not is_elsewhere):
            # It was taken away since it was loaded and stays until the start: its modules were there then.
            return mine
        if not is_elsewhere:
            raise DarkroomError(f"Its {kind.title} '{row.name}' names a module '{module}', which does not exist.")
        return function

    changed: dict[str, Any] = {field: own(getattr(row, field)) for field in kind.functions}
    if kind.mapped:
        changed[kind.mapped] = {name: own(function) for name, function in getattr(row, kind.mapped).items()}
    if hasattr(row, "extension"):
        changed["extension"] = extension.name
    if isinstance(row, Route | Guidance | PostProcessing | ModelSource | MetadataReader):
        # Nobody looks these up by name alone, so two extensions may each have one of one name.
        changed["name"] = f"{extension.name}/{row.name}"
        changed["aliases"] = tuple(f"{extension.name}/{alias}" for alias in row.aliases)
    row = replace(row, **changed)
    return replace(row, group=extension.title) if isinstance(row, Sampler) else row


def _copy(table: Table[Any], kind: _Kind) -> Table[Any]:
    fresh = kind.table()
    for row in table:
        fresh.add(row)
    return fresh
