"""Groups of a request: fields that are there together or not at all, as those of Hires. fix.

A request holds each as a member of its own, an object of its fields or None. On the page, on the command line and in
what A1111's clients send the same fields stand flat beside all others, and a switch says whether they count.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import Any, Final

from webui.core.errors import MOST_UNKNOWN, Faults, InvalidField, nearest
from webui.core.field import Field
from webui.core.hires_fields import HASH, HIRES, HIRES_ROWS, HIRES_SWITCH, HiresFix

_LONGEST_HASH = 100


@dataclass(frozen=True, slots=True)
class Group:
    """One group. `name` is the request's member, and the ability that a model must have; `kind` its dataclass.

    switch: the flat field that says whether it is there. resolved: members that acceptance adds, which have no row.
    """

    name: str
    switch: Field
    kind: type[Any]
    rows: tuple[Field, ...]
    resolved: tuple[str, ...] = ()

    @property
    def by_name(self) -> Mapping[str, Field]:
        """Its rows by their names."""
        return {row.name: row for row in self.rows}

    def gather(self, given: Any, faults: Faults) -> dict[str, Any] | None:
        """All its fields from these values or their defaults, checked; None where one is wrong, told in `faults`.

        A program's null means what a missing field means.
        """
        if not isinstance(given, Mapping):
            faults.add(InvalidField(f"{self.name} must be an object of its fields, or null.", field=self.name))
            return None
        rows = self.by_name
        unknown = [str(name)[:60] for name in given if name not in rows and name not in self.resolved]
        for name in islice(unknown, MOST_UNKNOWN):
            near = nearest(name, rows)
            hint = f"Did you mean '{near}'?" if near else f"It has: {', '.join(rows)}."
            faults.add(InvalidField(f"{self.name} has no field '{name}'. {hint}", field=f"{self.name}.{name}"))
        checked: dict[str, Any] = {}
        for name, row in rows.items():
            value = given.get(name)
            with faults.gathered():
                checked[name] = row.check(row.default if value is None else value)
        for name in self.resolved:
            value = given.get(name) or ""
            if isinstance(value, str) and len(value) <= _LONGEST_HASH:
                checked[name] = value
            else:
                faults.add(InvalidField(f"{name} must be a short text.", field=name))
        return None if unknown or len(checked) < len(rows) + len(self.resolved) else checked


GROUPS: Final[Mapping[str, Group]] = MappingProxyType(
    {HIRES: Group(HIRES, HIRES_SWITCH, HiresFix, HIRES_ROWS, (HASH,))}
)
"""By their names."""

FLAT_ROWS: Final[Mapping[str, Field]] = MappingProxyType(
    {row.name: row for group in GROUPS.values() for row in (group.switch, *group.rows)}
)
"""The fields of all groups as they stand flat, each group's switch first."""


def take_groups(values: dict[str, Any], faults: Faults) -> dict[str, Any]:
    """What is asked of each group that is on, by its name, taken out of the values with all flat fields.

    A group that is given as an object is on, and one whose switch is true. What flat fields say of a group that is off
    is never looked at: A1111's clients send anything there.
    """
    found: dict[str, Any] = {}
    for group in GROUPS.values():
        given, on = values.pop(group.name, None), values.pop(group.switch.name, None)
        flat = {name: values[name] for name in group.by_name if values.get(name) is not None}
        if on is not None:
            with faults.gathered():
                on = group.switch.check(on)
        if given is not None and on is False:
            faults.add(
                group.switch.refuse(
                    f"is off, and {group.name} is given.", f"Leave {group.name} out", f"Leave {group.switch.name} out"
                )
            )
        elif on is True:
            found[group.name] = {**given, **flat} if isinstance(given, Mapping) else flat if given is None else given
        elif given is not None:
            found[group.name] = given
    for name in FLAT_ROWS:
        values.pop(name, None)
    return found


def read_groups(values: dict[str, Any], faults: Faults) -> dict[str, Any]:
    """The request's groups, by name, that these values ask for; see `take_groups`. Those that are off are left out."""
    asked = take_groups(values, faults)
    checked = {name: GROUPS[name].gather(given, faults) for name, given in asked.items()}
    return {name: GROUPS[name].kind(**found) for name, found in checked.items() if found is not None}
