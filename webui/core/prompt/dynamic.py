"""Dynamic prompts drawn: the same seed gives the same words on every machine; or every combination, one by one.

Chance is `random.Random(seed).random()` and nothing else: Python documents that its stream stays what it is. Whatever
a person types ends quickly: how much one template may draw, how deep, and how long a text becomes is bounded; what is
beyond is left out, and `excess` says so.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import Protocol

from webui.core.prompt.templates import Assign, Body, How, Node, Use, Variant, Wildcard, is_plain, parse

LONGEST = 20_000
"""Characters of a drawn text, as many as a prompt may have."""
_MOST_CHOICES = 100_000
"""Of one template, in all that is drawn from it."""
_LONG = 2000
_LONG_WEIGHTED = 20
"""From so many values choosing several costs one choice more."""
_DEEPEST = 60
_MOST_NOTES = 10
_MOST_GLOBS = 50
"""Patterns with `*` and the like in one template, each of which is held against all names."""
_MOST_VALUES = 1_000_000
"""Of all wildcards of one template; the one that goes beyond it is the last."""
_STARS = re.compile(r"\*{2,}")


@dataclass(frozen=True, slots=True)
class Value:
    """One line of a wildcard; weight as in `{2::a|b}`."""

    text: str
    weight: float = 1.0


class Wildcards(Protocol):
    """What wildcards mean; see `wildcards.py` for those in files."""

    def values(self, pattern: str) -> Sequence[Value]:
        """What all names hold that the pattern fits, in order; () for none. Equal for equal patterns while it lives."""
        ...

    def why_none(self, pattern: str) -> str:
        """A sentence about a pattern that no name fits."""
        ...


class NoWildcards:
    """There are none."""

    def values(self, pattern: str) -> Sequence[Value]:
        """None."""
        return ()

    def why_none(self, pattern: str) -> str:
        """A sentence."""
        return f"There is no wildcard '{pattern[:60]}'."


class Template:
    """A text with what is drawn in it, which is drawn many times. `notes` grow: sentences on what could not be done."""

    def __init__(self, text: str, wildcards: Wildcards = NoWildcards()) -> None:
        self.notes: list[str] = []
        self.excess = ""
        """Why texts lack a part that was too much, as a sentence; "" where none does."""
        self._wildcards = wildcards
        self._left = _MOST_CHOICES
        self._read: dict[str, Body] = {}
        self._values: dict[str, _Values] = {}
        self._unknown = 0
        self._globs = 0
        self._kept = 0
        """Values of all wildcards that were looked up."""
        self._text = text
        self._body = self.parsed(text)

    @property
    def is_plain(self) -> bool:
        """Whether nothing is drawn and no escape is taken away, so that every drawing is the text itself."""
        return is_plain(self._body) and "".join(map(str, self._body)) == self._text

    def draw(self, seed: int, number: int = 0) -> str:
        """The text that this seed draws. number: the picture's in its job, by which `{@a|b}` takes turns."""
        return self._drawn(_Chance(Random(seed), number))

    def combinations(self, seed: int = 0) -> Iterator[str]:
        """Every text that can be drawn, each once, the last choice changing first. seed: for what `{~a|b}` draws."""
        turns = _InTurn(Random(seed))
        seen: set[str] = set()
        while turns.begin() and self.may_choose():
            text = self._drawn(turns)
            if text not in seen:
                seen.add(text)
                yield text

    def _drawn(self, chooser: _Chooser) -> str:
        if self.is_plain:
            return self._text
        return _Drawing(self, chooser).text(self._body, {}, 0).strip()

    # For the drawings

    def parsed(self, text: str) -> Body:
        """The parts of the text, or of one of its values."""
        if text not in self._read:
            self._read[text] = parse(text, lambda name: bool(self.values(name)))
        return self._read[text]

    def values(self, pattern: str) -> _Values:
        """What a wildcard can become."""
        pattern = _STARS.sub("*", pattern)
        if pattern not in self._values:
            self._globs += is_glob(pattern)
            if self._globs > _MOST_GLOBS or self._kept > _MOST_VALUES:
                self.excess = "This prompt names too many wildcards."
                return _Values(())
            self._values[pattern] = _Values(self._wildcards.values(pattern))
            self._kept += len(self._values[pattern])
            if not self._values[pattern] and self._unknown < _MOST_NOTES:
                # All names are searched for a near one, which takes time.
                self._unknown += 1
                self.note(f"{self._wildcards.why_none(pattern)} It was left as it is written.")
        return self._values[pattern]

    def note(self, sentence: str) -> None:
        """Tell the person, once."""
        if sentence not in self.notes and len(self.notes) < _MOST_NOTES:
            self.notes.append(sentence)

    def may_choose(self, cost: int = 1) -> bool:
        """Whether another choice may be made, or what takes as long: a variable set, a combination begun."""
        self._left -= cost
        if self._left <= 0:
            self.excess = "So much is drawn for this prompt that it would take too long."
        return self._left > 0


def is_glob(pattern: str) -> bool:
    """Whether a wildcard's name stands for all names of some form."""
    return any(sign in pattern for sign in "*?[")


class _Values:
    """What a wildcard can become."""

    def __init__(self, values: Sequence[Value]) -> None:
        self.texts = [value.text for value in values]
        self.sums = sums_of([value.weight for value in values])

    def __len__(self) -> int:
        return len(self.texts)


def sums_of(weights: Sequence[float]) -> list[float] | None:
    """The running sums of weights; None where all are equal, or none is above 0."""
    return None if len(set(weights)) < 2 or sum(weights) <= 0 else list(accumulate(weights))


class _Chooser(Protocol):
    def choose(self, count: int, sums: Sequence[float] | None, how: How) -> int:
        """A number below `count`, which is 1 or more."""
        ...


class _Chance:
    """Draws by chance; what is marked takes turns by the picture's number."""

    def __init__(self, random: Random, number: int) -> None:
        self._random, self._number = random, number
        self._turns = number

    def choose(self, count: int, sums: Sequence[float] | None, how: How) -> int:
        if how == "@":
            return self._number % count
        if how == "!":
            self._turns, place = divmod(self._turns, count)
            return place
        return by_chance(self._random, count, sums)


class _InTurn:
    """Goes through all combinations as an odometer does; what is marked is drawn."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._digits: list[list[int]] = []
        """The choices of this round, each with how many there are."""
        self._at = 0
        self._number = -1

    def begin(self) -> bool:
        """Set the next round; False when all are through."""
        self._at, self._number = 0, self._number + 1
        if self._number == 0:
            return True
        while self._digits and self._digits[-1][0] + 1 >= self._digits[-1][1]:
            self._digits.pop()
        if not self._digits:
            return False
        self._digits[-1][0] += 1
        return True

    def choose(self, count: int, sums: Sequence[float] | None, how: How) -> int:
        if how == "~":
            return by_chance(self._random, count, sums)
        if how == "@":
            return self._number % count
        if self._at == len(self._digits):
            self._digits.append([0, count])
        self._at += 1
        return min(self._digits[self._at - 1][0], count - 1)


def by_chance(random: Random, count: int, sums: Sequence[float] | None) -> int:
    """A number below `count`, drawn with one number of the stream. sums: running sums of the weights."""
    drawn = random.random()
    if sums is None:
        return min(int(drawn * count), count - 1)
    # Rounding may lead to the very end, where what weighs nothing may stand.
    return min(bisect_right(sums, drawn * sums[-1]), bisect_left(sums, sums[-1]))


Names = Mapping[str, Body]


class _Drawing:
    """One text on its way."""

    def __init__(self, template: Template, chooser: _Chooser) -> None:
        self._template = template
        self._chooser = chooser
        self._inside: list[str] = []
        """The wildcards whose values are being drawn, in small letters."""

    def text(self, body: Body, names: Names, depth: int) -> str:
        """What a body becomes. names: the variables that hold here."""
        if depth > _DEEPEST:
            self._template.note("A part of this prompt leads back to itself and was left out there.")
            return ""
        names = self._assigned(body, names, depth)
        said: list[str] = []
        length = 0
        for part in body:
            said.append(part if isinstance(part, str) else self._part(part, names, depth))
            length += len(said[-1])
            if length > LONGEST:
                self._template.excess = f"What is drawn for this prompt is longer than {LONGEST:,} characters."
                break
        return "".join(said)[:LONGEST]

    def _assigned(self, body: Body, names: Names, depth: int) -> Names:
        """With the variables that the body sets, which hold in all of it."""
        held: dict[str, Body] | None = None
        for part in body:
            if not isinstance(part, Assign) or (part.keep and part.name in (held or names)):
                continue
            if not self._template.may_choose():
                break
            held = dict(names) if held is None else held
            held[part.name] = (self.text(part.value, held, depth + 1),) if part.at_once else part.value
        return names if held is None else held

    def _part(self, part: Node, names: Names, depth: int) -> str:
        match part:
            case Assign():
                return ""
            case Use():
                value = names.get(part.name, part.default)
                if value is None:
                    self._template.note(f"There is no variable '{part.name}'. {part.written} was left as it is.")
                    return part.written
                return self.text(value, names, depth + 1) if self._template.may_choose() else ""
            case Wildcard():
                return self._wildcard(part, Variant((), how=part.how), names, depth)
        only = part.options[0].body[0] if len(part.options) == 1 and len(part.options[0].body) == 1 else None
        if isinstance(only, Wildcard):
            # Several of its values, none twice.
            return self._wildcard(only, part, names, depth)
        sums = sums_of([option.weight for option in part.options])
        chosen = self._chosen(part, len(part.options), sums)
        return part.separator.join([self.text(part.options[place].body, names, depth + 1) for place in chosen])

    def _wildcard(self, wildcard: Wildcard, wanted: Variant, names: Names, depth: int) -> str:
        """wanted: how many values, by whose choice, and what stands between them."""
        pattern = self.text(wildcard.name, names, depth + 1).strip()
        values = self._template.values(pattern)
        if not values:
            self._template.may_choose()
            return wildcard.written
        if pattern.casefold() in self._inside:
            self._template.note(f"The wildcard '{pattern[:60]}' leads back to itself and was left out there.")
            return ""
        given = {name: (self.text(value, names, depth + 1),) for name, value in wildcard.given}
        self._inside.append(pattern.casefold())
        try:
            bodies = [self._template.parsed(values.texts[at]) for at in self._chosen(wanted, len(values), values.sums)]
            return wanted.separator.join([self.text(body, {**names, **given}, depth + 1) for body in bodies])
        finally:
            self._inside.pop()

    def _chosen(self, wanted: Variant, count: int, sums: Sequence[float] | None) -> list[int]:
        """The places of what is chosen from `count`, none twice."""
        choose = self._chooser.choose
        most = count if wanted.most is None else min(wanted.most, count)
        least = min(wanted.least, most)
        size = least if least == most else least + choose(most - least + 1, None, wanted.how)
        if size == 1:
            return [choose(count, sums, wanted.how)] if self._template.may_choose() else []
        left = list(range(count))
        chosen: list[int] = []
        cost = 1 + count // (_LONG_WEIGHTED if sums else _LONG)
        while len(chosen) < size and self._template.may_choose(cost):
            weights = sums and sums_of([sums[at] - (sums[at - 1] if at else 0.0) for at in left])
            chosen.append(left.pop(choose(len(left), weights, wanted.how)))
        return chosen
