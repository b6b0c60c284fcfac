"""The syntax of dynamic prompts: a text becomes plain parts and parts that are drawn. What does not parse is text.

The syntax is the dynamic-prompts extension's: `{a|b}`, `{2$$a|b}`, `{1-2$$ and $$a|b}`, `{0.5::a|b}`, `{~a|b}`,
`{@a|b}`, `__name__`, `__name(x=red)__`, `${x=red}`, `${x=!{a|b}}`, `${x?=red}`, `${x}`, `${x:red}`. Two things are
kinder than there, so that a prompt without any of these means what it means in A1111: braces around nothing that is
drawn stay text (`{masterpiece}`), and so does the name of a wildcard that there is not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

MAX_NESTING = 40
"""What is nested deeper is text."""
_MAX_COUNT = 9999

How = Literal["", "~", "@", "!"]
"""Who chooses: the mode, chance, the picture's number, or in turn (as combinatorial mode does)."""

_BOUNDS = re.compile(
    r"\s*(?P<how>[~@!]?)\s*(?:(?P<low>\d{1,4})?(?P<dash>-)?(?P<high>\d{1,4})?\$\$(?:(?P<sep>[^${}]{1,100}?)\$\$)?)?"
)
_WEIGHT = re.compile(r"\s*(?P<weight>\d{1,9}(?:\.\d{0,9})?|\.\d{1,9})\s*::")
_WILDCARD = re.compile(
    r"__(?P<how>[~@!]?)(?P<name>(?:(?!__)(?:[^\n{}()$#|<>:,]|\$\{[A-Za-z_-][\w-]{0,60}(?::[^${}\n]{0,60})?\})){1,120})"
    r"(?:\s?\((?P<given>[^()\n]{1,500})\))?__",
    re.ASCII,
)
_VARIABLE = re.compile(r"\s*(?P<name>[A-Za-z_-][\w-]{0,60})\s*(?P<sign>\?=!?|=!?|:|$)", re.ASCII)
_SEPARATOR = ", "


@dataclass(frozen=True, slots=True)
class Option:
    """One of several. weight: 0 or more; they need not add up to anything."""

    weight: float
    body: Body


@dataclass(frozen=True, slots=True)
class Variant:
    """`{...}`: from `least` to `most` (None: all) of the options are chosen, none twice, and joined."""

    options: tuple[Option, ...]
    least: int = 1
    most: int | None = 1
    separator: str = _SEPARATOR
    how: How = ""


@dataclass(frozen=True, slots=True)
class Wildcard:
    """`__name__`: one of the values that the names hold which the pattern fits. name: may hold variables."""

    name: Body
    how: How = ""
    given: tuple[tuple[str, Body], ...] = ()
    """Variables for its values, by name."""
    written: str = ""


@dataclass(frozen=True, slots=True)
class Assign:
    """`${name=value}`: says nothing. at_once: drawn here, and then always the same; keep: only where it has none."""

    name: str
    value: Body
    at_once: bool = False
    keep: bool = False


@dataclass(frozen=True, slots=True)
class Use:
    """`${name}` or `${name:default}`."""

    name: str
    default: Body | None = None
    written: str = ""


Node = Variant | Wildcard | Assign | Use
Body = tuple["str | Node", ...]
"""Parts in their order; one of strings alone says the same each time."""


def parse(text: str, known: Callable[[str], bool] = lambda name: True) -> Body:
    """The parts of a text. known: whether a wildcard's pattern fits any name; of others the text stays.

    Takes time in proportion to the length, whatever the text.
    """
    return _Reader(text, known).body(0, len(text), 0, inside=False)


def is_plain(body: Body) -> bool:
    """Whether nothing in it is drawn."""
    return all(isinstance(part, str) for part in body)


class _Reader:
    def __init__(self, text: str, known: Callable[[str], bool]) -> None:
        self._text = text
        self._known = known
        self._ends = _pairs(text)

    def body(self, start: int, end: int, depth: int, *, inside: bool) -> Body:
        """The parts of a stretch. depth: how many braces it stands in; inside: whether bars cut it into options."""
        text, at = self._text, start
        parts: list[str | Node] = []
        plain: list[str] = []
        while at < end:
            mark = _next_mark(text, at, end)
            plain.append(text[at:mark])
            node, at = self._at(mark, end, depth, inside) if mark < end else ("", end)
            if isinstance(node, str):
                plain.append(node)
            else:
                parts += [*_joined(plain), *(node if isinstance(node, tuple) else (node,))]
                plain = []
        return (*parts, *_joined(plain))

    def _at(self, at: int, end: int, depth: int, inside: bool) -> tuple[str | Node | Body, int]:
        """What begins at a mark, and where the text goes on behind it."""
        text = self._text
        if text[at] == "\\":
            return _escaped(text, at, end, inside)
        if text[at] == "_":
            return self._wildcard(at, end)
        opening = at + (text[at] == "$")
        closing = self._ends.get(opening, end)
        if closing >= end or text[opening] != "{":
            return text[at], at + 1
        if depth >= MAX_NESTING:
            return text[at : closing + 1], closing + 1
        if opening > at:
            variable = self._variable(at, opening + 1, closing, depth)
            if variable:
                return variable, closing + 1
            return "$", opening
        return self._braces(opening + 1, closing, depth + 1, inside), closing + 1

    def _braces(self, start: int, end: int, depth: int, inside: bool) -> str | Node | Body:
        bounds = _BOUNDS.match(self._text, start, end)
        counted = bool(bounds and "$$" in bounds[0])
        begin = bounds.end() if bounds and (counted or bounds["how"]) else start
        cuts = self._cuts(begin, end)
        if not counted and len(cuts) == 1:
            # One option, so nothing to choose; braces around something that is drawn only hold it together.
            inner = self.body(start, end, depth, inside=inside)
            return inner if not is_plain(inner) else "{" + "".join(map(str, inner)) + "}"
        options = tuple(self._option(first, last, depth) for first, last in cuts)
        how: How = bounds["how"] if bounds else ""  # type: ignore[assignment]  # the pattern's own words
        if not counted or not bounds:
            return Variant(options, how=how)
        least, most = _range(bounds)
        return Variant(options, least, most, bounds["sep"] or _SEPARATOR, how)

    def _option(self, start: int, end: int, depth: int) -> Option:
        found = _WEIGHT.match(self._text, start, end)
        weight = float(found["weight"]) if found else 1.0
        start = found.end() if found else start
        while start < end and self._text[start].isspace():
            start += 1
        return Option(weight, self.body(start, end, depth, inside=True))

    def _cuts(self, start: int, end: int) -> list[tuple[int, int]]:
        """The stretches between the bars that stand in no braces, nor in the square brackets of an alternation."""
        text, cuts, begin, at = self._text, [], start, start
        while at < end:
            mark = text[at]
            if mark == "\\":
                at += 2
                continue
            if mark in "{[" and self._ends.get(at, end) < end:
                at = self._ends[at]
            elif mark == "|":
                cuts.append((begin, at))
                begin = at + 1
            at += 1
        return [*cuts, (begin, end)]

    def _variable(self, at: int, start: int, end: int, depth: int) -> Node | None:
        found = _VARIABLE.match(self._text, start, end)
        if found is None:
            return None
        name, sign, written = found["name"], found["sign"], self._text[at : end + 1]
        if not sign:
            return Use(name, written=written) if found.end() == end else None
        first, last = found.end(), end
        while first < last and self._text[first].isspace():
            first += 1
        while last > first and self._text[last - 1].isspace():
            last -= 1
        value = self.body(first, last, depth + 1, inside=False)
        if sign == ":":
            return Use(name, value, written)
        return Assign(name, value, at_once=sign.endswith("!"), keep=sign.startswith("?"))

    def _wildcard(self, at: int, end: int) -> tuple[str | Node, int]:
        found = _WILDCARD.match(self._text, at, end)
        if found is None:
            # All of a row of underscores at once, or each would be looked at anew.
            stop = at
            while stop < end and self._text[stop] == "_":
                stop += 1
            return self._text[at:stop], stop
        name = parse(found["name"]) if "$" in found["name"] else (found["name"].strip(),)
        if is_plain(name) and not self._known(str(name[0])):
            # Its end opens no other, or plain words between two would be one; but signs with a space are no pair.
            spaced = found["name"] != found["name"].strip() and not found["given"]
            end = found.end() - 2 * spaced
            return self._text[at:end], end
        given = tuple(self._given(found["given"] or ""))
        return Wildcard(name, found["how"], given, found[0]), found.end()  # type: ignore[arg-type]

    def _given(self, text: str) -> Iterator[tuple[str, Body]]:
        """What stands in a wildcard's brackets: `name=value`, with commas between them."""
        for pair in text.split(","):
            name, equals, value = pair.partition("=")
            if equals:
                yield name.strip(), parse(value.strip(), self._known)


def _range(bounds: re.Match[str]) -> tuple[int, int | None]:
    low, high = bounds["low"], bounds["high"]
    if not bounds["dash"]:
        count = min(int((low or "") + (high or "") or 1), _MAX_COUNT)
        return count, count
    least = int(low) if low else 1
    if high is None:
        return least, None
    return min(least, int(high)), max(least, int(high))


def _next_mark(text: str, at: int, end: int) -> int:
    found = _MARK.search(text, at, end)
    return found.start() if found else end


_MARK = re.compile(r"\\|\$\{|\{|__")


def _escaped(text: str, at: int, end: int, inside: bool) -> tuple[str, int]:
    """What a backslash says: one before a sign of this syntax is taken away, all others are the emphasis's."""
    after = text[at + 1 : min(at + 3, end)]
    if after[:1] in ("{", "}") or (inside and after[:1] == "|") or after == "__":
        return after if after == "__" else after[:1], at + 1 + (2 if after == "__" else 1)
    if after == "${":
        return "${", at + 3
    return text[at : at + 1 + len(after[:1])], at + 1 + len(after[:1])


def _pairs(text: str) -> dict[int, int]:
    """Where each brace and square bracket that is closed is closed; braces go before brackets."""
    ends: dict[int, int] = {}
    open_: list[int] = []
    braces, at = 0, 0
    for found in _BRACKET.finditer(text):
        at, mark = found.start(), found[0]
        if mark in "{[":
            open_.append(at)
            braces += mark == "{"
        elif mark == "}" and braces:
            while text[open_[-1]] != "{":
                open_.pop()
            ends[open_.pop()] = at
            braces -= 1
        elif mark == "]" and open_ and text[open_[-1]] == "[":
            ends[open_.pop()] = at
    return ends


_BRACKET = re.compile(r"\\.|[{}\[\]]", re.DOTALL)


def _joined(texts: Sequence[str]) -> list[str]:
    text = "".join(texts)
    return [text] if text else []
