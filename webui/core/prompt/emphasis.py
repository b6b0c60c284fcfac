"""Emphasis: `(word)`, `[word]` and `(word:1.3)` as fragments of the text with their weights, and BREAK between them."""

from __future__ import annotations

import math
import re
from itertools import accumulate, groupby
from typing import Final, NamedTuple

MORE: Final = 1.1
LESS: Final = 1 / MORE
"""What round and square brackets multiply the weight of what they hold by."""
MOST: Final = 1e6
"""Weights are cut here, and at minus that: thousands of brackets would make infinity."""

ORIGINAL: Final = "Original"
NO_NORM: Final = "No norm"
IGNORE: Final = "Ignore"
NONE: Final = "None"
MODES: Final = (ORIGINAL, NO_NORM, IGNORE, NONE)
"""A1111's ways to use weights: multiply and then restore the mean, multiply, drop the weights, and all is text."""

_TOKEN = re.compile(r"\\([()\[\]\\]?)|:\s*+([+-]?[.\d]++)\s*+\)|[()\[\]:]|[^\\()\[\]:]++")
_MARKS = re.compile(r"[()\[\]\\]")
_BREAK = re.compile(r"\bBREAK\b")
_DIGITS = 9
_EXACTLY = 200_000
"""So many multiplications are made one by one, in A1111's order; only odd texts need more of them."""

_Span = tuple[int, int, float]
"""A factor for the fragments from the first number to before the second."""


class Fragment(NamedTuple):
    """Words, and what the text encoder's vectors of their tokens are multiplied by.

    ends_chunk: it is a BREAK, which has no words: the chunk before it is filled up, and what follows begins another.
    """

    text: str
    weight: float = 1.0
    ends_chunk: bool = False


BREAK: Final = Fragment("", 1.0, ends_chunk=True)


def fragments(text: str, mode: str = ORIGINAL) -> tuple[Fragment, ...]:
    """A text's fragments, none of them empty; neighbours of equal weight are one.

    mode: with `NONE` all of it is text; of the others it is the encoder's task to make a difference.

    `(x)` is x times 1.1, `[x]` divided by 1.1, `(x:w)` times w, and what is nested multiplies. A bracket without its
    end acts to the end of the text, an end without its bracket is text. A backslash takes the meaning from a bracket
    or a backslash, and disappears. A number that is none stays text. BREAK, as a word, is the fragment of that name.
    """
    if mode == NONE:
        return (Fragment(text),) if text else ()
    words: list[str | None] = []
    spans: list[_Span] = []
    rounds: list[int] = []
    squares: list[int] = []
    for token in _TOKEN.finditer(text):
        part, number = token[0], token[2]
        if part[0] == "\\":
            words.append(token[1])
        elif part == "(":
            rounds.append(len(words))
        elif part == "[":
            squares.append(len(words))
        elif number is not None and rounds:
            weight = _weight(number)
            if weight is None:
                words.append(part[:-1])
            spans.append((rounds.pop(), len(words), MORE if weight is None else weight))
        elif part == ")" and rounds:
            spans.append((rounds.pop(), len(words), MORE))
        elif part == "]" and squares:
            spans.append((squares.pop(), len(words), LESS))
        else:
            words += _broken(part)
    spans += [(start, len(words), MORE) for start in rounds]
    spans += [(start, len(words), LESS) for start in squares]
    return _merged(words, _weights(len(words), spans))


def plain(text: str, mode: str = ORIGINAL) -> str:
    """The words alone, for whom weights mean nothing."""
    return "".join(" " if one.ends_chunk else one.text for one in fragments(text, mode))


def escaped(text: str) -> str:
    """The text with a backslash before each mark, so that its words are what it was."""
    return _MARKS.sub(r"\\\g<0>", text)


def weighs(text: str, mode: str = ORIGINAL) -> bool:
    """Whether any word of the text is to have another weight than 1."""
    return mode in (ORIGINAL, NO_NORM) and any(one.weight != 1.0 for one in fragments(text))


def _weight(number: str) -> float | None:
    try:
        weight = float(number)
    except ValueError:
        return None
    return weight if math.isfinite(weight) else None


def _broken(words: str) -> list[str | None]:
    """The words with a None for each BREAK, without the blanks around it."""
    first, *others = _BREAK.split(words)
    if not others:
        return [words]
    found: list[str | None] = [first.rstrip()]
    for number, part in enumerate(others, start=1):
        found += [None, part.lstrip() if number == len(others) else part.strip()]
    return found


def _weights(count: int, spans: list[_Span]) -> list[float]:
    """The product of each fragment's factors."""
    if sum(end - start for start, end, _ in spans) <= _EXACTLY:
        weights = [1.0] * count
        for start, end, factor in spans:
            for place in range(start, end):
                weights[place] *= factor
    else:
        weights = _by_logarithms(count, spans)
    return [max(-MOST, min(weight, MOST)) for weight in weights]


def _by_logarithms(count: int, spans: list[_Span]) -> list[float]:
    """The same within rounding, in time that grows with the text's length only."""
    logs, minuses, zeros = [0.0] * (count + 1), [0] * (count + 1), [0] * (count + 1)
    for start, end, factor in spans:
        for place, sign in ((start, 1), (end, -1)):
            logs[place] += sign * (math.log(abs(factor)) if factor else 0.0)
            minuses[place] += sign * (factor < 0)
            zeros[place] += sign * (factor == 0)
    most = math.log(2 * MOST)
    sums = zip(accumulate(logs), accumulate(minuses), accumulate(zeros), strict=True)
    found = [0.0 if zero else (-1) ** minus * math.exp(min(log, most)) for log, minus, zero in sums]
    return [round(weight, _DIGITS) for weight in found[:count]]


def _merged(words: list[str | None], weights: list[float]) -> tuple[Fragment, ...]:
    parts = [
        BREAK if part is None else Fragment(part, weight)
        for part, weight in zip(words, weights, strict=True)
        if part != ""
    ]
    merged: list[Fragment] = []
    for (weight, ends_chunk), group in groupby(parts, lambda one: (one.weight, one.ends_chunk)):
        some = list(group)
        merged += some if ends_chunk else [Fragment("".join(one.text for one in some), weight)]
    return tuple(merged)
