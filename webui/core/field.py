"""One field of a request: what it is called, what it takes, and how a value is checked."""

from __future__ import annotations

import csv
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from webui.core.errors import InvalidField

Kind = Literal["text", "int", "float", "bool", "choice", "names"]
"""names: several of a catalogue, in order; a tuple of text."""

MAX_NAMES = 100

OF_EXTENSIONS = "extensions."
"""What the names of extensions' fields begin with: extensions.NAME.FIELD."""


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter. `name` is the same from the browser to the PNG (A1111's public name where it has one)."""

    name: str
    kind: Kind
    label: str
    help: str
    default: Any
    minimum: float | None = None
    maximum: float | None = None
    """Limits of what is accepted, inclusive. For text and each of several names: the greatest length in characters."""
    slider: tuple[float, float] | None = None
    """Range that the page's slider shows, when it is narrower than what is accepted."""
    step: float | None = None
    multiple: int | None = None
    catalogue: str | None = None
    """For choices: the service's catalogue of the names (samplers, schedules, checkpoints, vaes, attention)."""
    choices: tuple[str, ...] = ()
    """For choices without a catalogue: the values themselves."""
    infotext: str | None = None
    """Key in A1111's parameters text; None when the field is not written there under a key of its own."""
    elem_id: str | None = None
    """A1111's element id without the tab's prefix: 'steps' becomes txt2img_steps."""
    flags: tuple[str, ...] = ()
    """Further spellings on the command line besides --name-with-dashes."""
    group: str = "main"
    abilities: tuple[str, ...] = ()
    """A model must have one of these (see Family.abilities) for the field to mean anything to it; () is every model."""
    without: Any = None
    """The value for models that the field means nothing to, where that is not the default."""

    def is_known_to(self, abilities: Collection[str]) -> bool:
        """Whether the field means anything to a model with these abilities."""
        return not self.abilities or any(ability in abilities for ability in self.abilities)

    @property
    def flag(self) -> str:
        """The field's own flag on the command line."""
        return "--" + self.name.removeprefix(OF_EXTENSIONS).replace("_", "-").replace(".", "-")

    @property
    def spellings(self) -> tuple[str, ...]:
        """All its flags; a truth value has one for no beside each."""
        names = (self.flag, *self.flags)
        return names if self.kind != "bool" else (*names, *("--no-" + name.removeprefix("--") for name in names))

    def check(self, value: Any) -> Any:
        """The value in the field's own type; raises InvalidField with a sentence when it cannot be accepted."""
        return _CHECKS[self.kind](self, value)

    def refuse(self, why: str, *remedies: str) -> InvalidField:
        """The error that names this field."""
        return InvalidField(f"{self.label} {why}", field=self.name, remedies=remedies)


def _check_text(field: Field, value: Any) -> str:
    if not isinstance(value, str):
        raise field.refuse(f"must be text, not {_shown(value)}.")
    if field.maximum is not None and len(value) > field.maximum:
        raise field.refuse(
            f"is {len(value):,} characters long; at most {int(field.maximum):,} are taken.", "Shorten it"
        )
    if any("\ud800" <= c <= "\udfff" for c in value):
        raise field.refuse("holds half of a surrogate pair, which is no character.")
    return value.replace("\x00", "")


def _check_choice(field: Field, value: Any) -> str:
    text = _check_text(field, value)
    if not field.choices:
        return text
    known = next((choice for choice in field.choices if choice.casefold() == text.strip().casefold()), None)
    if known is None:
        raise field.refuse(f"must be one of {', '.join(field.choices)}, not {_shown(value)}.")
    return known


def _check_names(field: Field, value: Any) -> tuple[str, ...]:
    # A command line has one text for all of them.
    names = split_names(value) if isinstance(value, str) else value
    if not isinstance(names, list | tuple):
        raise field.refuse(f"must be a list of names, not {_shown(value)}.")
    if len(names) > MAX_NAMES:
        raise field.refuse(f"has {len(names):,} names; at most {MAX_NAMES} are taken.", "Name fewer")
    return tuple(_check_text(field, name) for name in names)


def _check_bool(field: Field, value: Any) -> bool:
    if not isinstance(value, bool):
        raise field.refuse(f"must be true or false, not {_shown(value)}.")
    return value


def _check_number(field: Field, value: Any) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or (isinstance(value, float) and not math.isfinite(value)):
        raise field.refuse(f"must be a number, not {_shown(value)}.")
    low, high = field.minimum, field.maximum
    if (low is not None and value < low) or (high is not None and value > high):
        # A whole number of JSON may be longer than any float.
        said = f"{value:g}" if abs(value) < 1e6 else f"{value:,}" if abs(value) < 1e15 else "far out of range"
        bound = low if low is not None and value < low else high
        raise field.refuse(f"is {said}; it must be between {_number(low)} and {_number(high)}.", f"Use {bound:.10g}")
    return float(value)


def _check_int(field: Field, value: Any) -> int:
    number = _check_number(field, value) if not (isinstance(value, int) and not isinstance(value, bool)) else value
    if number != int(number):
        raise field.refuse(f"must be a whole number, not {number:g}.")
    whole = int(number)
    _check_number(field, whole)
    if field.multiple and whole % field.multiple:
        below = whole - whole % field.multiple
        near = [n for n in (below, below + field.multiple) if n >= (field.minimum or 0)]
        raise field.refuse(
            f"is {whole}; it must be a multiple of {field.multiple} (nearest: {', '.join(map(str, near))}).",
            *(f"Use {n}" for n in near),
        )
    return whole


_CHECKS = {
    "text": _check_text,
    "choice": _check_choice,
    "names": _check_names,
    "bool": _check_bool,
    "float": _check_number,
    "int": _check_int,
}


def join_names(names: Iterable[str]) -> str:
    """Names as one text with commas between them; one with a comma or a quote of its own is quoted."""
    return ", ".join('"' + name.replace('"', '""') + '"' if set(name) & set(',"') else name for name in names)


def split_names(text: str) -> list[str]:
    """The names that `join_names` joined, or a person wrote."""
    lines = csv.reader([text.replace("\n", " ").replace("\r", " ")], skipinitialspace=True)
    return [name.strip() for line in lines for name in line if name.strip()]


def _shown(value: Any) -> str:
    """The value as JSON calls it, short enough for a sentence."""
    if isinstance(value, str):
        return f"'{value}'" if len(value) <= 20 else "a long text"
    if isinstance(value, bool) or value is None:
        return str(value).replace("None", "null").lower()
    if isinstance(value, int | float):
        return "NaN" if value != value else f"{value:g}" if abs(value) < 1e15 else "one so large"
    return "an object" if isinstance(value, Mapping) else "a list" if isinstance(value, list) else "something else"


def _number(value: float | None) -> str:
    return "any" if value is None else f"{value:,g}" if abs(value) < 1e6 else f"{value:,.0f}"
