"""The fields of extensions: a panel of them for each, and the values that a request gives them.

A request holds `extensions[name][field]`, only of extensions that are on in it: absent means off. One with a field
`enabled` is on when that is true; any other when one of its values is not the default.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import Any, Final

from webui.core.errors import MOST_UNKNOWN, Faults, InvalidField, UnknownName, nearest
from webui.core.field import OF_EXTENSIONS, Field
from webui.core.frozen import FrozenMap

EXTENSIONS: Final = "extensions"
"""The name of what extensions are asked, in a request and in the settings."""

ENABLED: Final = "enabled"
"""The field that switches its extension on, where it has one."""

Value = bool | int | float | str
Extensions = FrozenMap[FrozenMap[Value]]
NOTHING: Final[Extensions] = FrozenMap()

_MOST_NAME = 100
_MOST_TEXT = 100_000


@dataclass(frozen=True, slots=True)
class Panel:
    """The fields of one extension, in the order they are shown in, by the extension's own names for them.

    Each row's `name` is the whole one, extensions.NAME.FIELD, and it has a key for infotexts. `title` and `help` are
    the manifest's title and description.
    """

    name: str
    title: str
    rows: Mapping[str, Field]
    help: str = ""

    @property
    def aliases(self) -> tuple[str, ...]:
        """None: values are kept by the one name."""
        return ()

    @property
    def defaults(self) -> dict[str, Value]:
        """What the fields are where nobody says anything."""
        return {name: row.default for name, row in self.rows.items()}

    def is_on(self, values: Mapping[str, Value]) -> bool:
        """Whether the extension has something to do. values: of all its fields."""
        if ENABLED in self.rows:
            return bool(values[ENABLED])
        return any(values[name] != row.default for name, row in self.rows.items())

    def gather(self, values: Mapping[str, Any], faults: Faults) -> dict[str, Value] | None:
        """All its fields from these values or their defaults, checked; None where one is wrong, told in `faults`."""
        unknown = [name for name in values if name not in self.rows]
        for name in islice(unknown, MOST_UNKNOWN):
            near = nearest(str(name), self.rows)
            hint = f"Did you mean '{near}'?" if near else f"It has: {', '.join(list(self.rows)[:12])}."
            said = f"The extension '{self.name}' has no field '{str(name)[:60]}'. {hint}"
            faults.add(InvalidField(said, field=_path(self.name, name)))
        checked: dict[str, Value] = {}
        for name, row in self.rows.items():
            with faults.gathered():
                checked[name] = row.check(values.get(name, row.default))
        return None if unknown or len(checked) < len(self.rows) else checked

    def options(self, extensions: Extensions) -> Mapping[str, Value]:
        """All its fields as a request of these values has them, read-only."""
        own = extensions.get(self.name, FrozenMap())
        return MappingProxyType({name: own.get(name, row.default) for name, row in self.rows.items()})


Panels = Mapping[str, Panel]
"""By the names of the extensions."""
NO_PANELS: Final[Panels] = MappingProxyType({})


def read_extensions(data: Any) -> Extensions:
    """The values of a stored request, whatever extensions are there now. Raises InvalidField for what is no such."""
    if not isinstance(data, Mapping):
        raise InvalidField(_FORM, field=EXTENSIONS)
    found: dict[str, FrozenMap[Value]] = {}
    for name, values in data.items():
        if not isinstance(name, str) or len(name) > _MOST_NAME or not isinstance(values, Mapping):
            raise InvalidField(_FORM, field=_path(name))
        for field, value in values.items():
            if not isinstance(field, str) or len(field) > _MOST_NAME or not _is_value(value):
                raise InvalidField(_FORM, field=_path(name, field))
        found[name] = FrozenMap(values)
    return FrozenMap(found)


def accept_extensions(
    given: Any,
    panels: Panels,
    defaults: Mapping[str, Mapping[str, Value]],
    absent: Mapping[str, str],
    faults: Faults,
    *,
    whole: bool = False,
) -> Extensions:
    """What a request asks of extensions, checked: values of all fields of those that are on. null is off.

    defaults: of fields that are not given, where they are others than the rows' own. absent: why an extension that
    was found cannot be used. whole: it is a request that was accepted once, so what it does not name is off.
    """
    if given is not None and not isinstance(given, Mapping):
        faults.add(InvalidField(_FORM, field=EXTENSIONS))
        return NOTHING
    given = given or {}
    for name in islice((name for name in given if name not in panels), MOST_UNKNOWN):
        if not _is_off(given[name]):
            faults.add(_not_there(name, panels, absent))
    found: dict[str, FrozenMap[Value]] = {}
    for name, panel in panels.items():
        values = given.get(name, None if whole else {})
        if values is None:
            continue
        if not isinstance(values, Mapping):
            faults.add(InvalidField(_FORM, field=_path(name)))
            continue
        start = {} if whole else defaults.get(name, {})
        # A program's null means what a missing field means.
        checked = panel.gather({**start, **{n: v for n, v in values.items() if v is not None}}, faults)
        if checked is not None and panel.is_on(checked):
            found[name] = FrozenMap(checked)
    return FrozenMap(found)


def check_loaded(extensions: Extensions, panels: Panels) -> None:
    """Raise InvalidField where a request names an extension that is not there, or values that it does not take now."""
    faults = Faults()
    for name, values in extensions.items():
        if name not in panels:
            faults.add(_not_there(name, panels, {}))
        else:
            panels[name].gather(values, faults)
    faults.raise_found()


def stored_defaults(stored: Mapping[str, Mapping[str, Any]], panels: Panels) -> dict[str, dict[str, Value]]:
    """The defaults that the settings give fields, by extension; what an extension no longer takes is left out."""
    found: dict[str, dict[str, Value]] = {}
    for name, values in stored.items():
        rows = panels[name].rows if name in panels else {}
        found[name] = {field: value for field, value in values.items() if field in rows and _takes(rows[field], value)}
    return {name: values for name, values in found.items() if values}


def change_defaults(
    changes: Any, stored: Mapping[str, Mapping[str, Any]], panels: Panels
) -> dict[str, dict[str, Value]]:
    """The settings' defaults of fields with some changed; null, or the row's own default, takes one away.

    What is stored of extensions and fields that are not there stays. Raises InvalidField, InvalidRequest when several
    are wrong.
    """
    if not isinstance(changes, Mapping):
        raise InvalidField(_FORM, field=EXTENSIONS)
    faults = Faults()
    merged = {name: dict(values) for name, values in stored.items()}
    for name, values in changes.items():
        if name not in panels:
            faults.add(_not_there(name, panels, {}))
        elif not isinstance(values, Mapping):
            faults.add(InvalidField(_FORM, field=_path(name)))
        else:
            rows = panels[name].rows
            checked = panels[name].gather({n: v for n, v in values.items() if v is not None}, faults) or {}
            own = merged.get(name, {}) | {field: checked[field] for field in values if field in checked}
            merged[name] = {n: v for n, v in own.items() if n not in rows or v != rows[n].default}
    faults.raise_found()
    return {name: values for name, values in merged.items() if values}


_FORM = 'Extensions are given as an object of objects, as {"name": {"field": 1}}: their values by their fields\' names.'


def _path(*names: Any) -> str:
    return OF_EXTENSIONS + ".".join(str(name)[:60] for name in names)


def _is_value(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, bool | int) or (isinstance(value, str) and len(value) <= _MOST_TEXT)


def _is_off(values: Any) -> bool:
    """Whether an extension that nobody knows is asked for nothing."""
    return values is None or (isinstance(values, Mapping) and not (values.get(ENABLED, True) and any(values.values())))


def _takes(row: Field, value: Any) -> bool:
    try:
        row.check(value)
    except InvalidField:
        return False
    return True


def _not_there(name: Any, panels: Panels, absent: Mapping[str, str]) -> InvalidField:
    """Why an extension cannot be asked for anything."""
    if name in absent:
        said = f"The extension '{name}' cannot be used. {absent[name]}"
        return InvalidField(said, field=_path(name), remedies=(f"Leave '{name}' out",))
    return UnknownName("extension", str(name), panels, field=_path(name))
