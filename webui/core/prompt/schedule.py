"""Prompt editing: `[from:to:when]` and `[a|b]` as a value, the texts of a prompt over the calls of the model."""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from lark import Lark, Token, Tree
from lark.exceptions import LarkError
from lark.lark import PostLex

# A1111's language. It is ambiguous there, since any bracket may also be text; here `_Brackets` decides that before the
# grammar is asked, so that it is LALR(1), and a text is read in time that grows with its length, without recursion.
_GRAMMAR = r"""
start: (_part | COLON | STRAY)*
prompt: _part*
_part: TEXT | emphasized | scheduled | alternate
!emphasized: "(" prompt ")" | "(" prompt COLON prompt ")" | "[" prompt "]"
scheduled: "[" (prompt ":")? prompt WHEN
alternate: "[" prompt ("|" prompt)+ "]"

TEXT: /(?:[^\\\[\]():|]++|\\.)++/
WHEN.2: /:\s*+[+-]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?\s*+\]/
COLON: ":"
%declare STRAY
"""
_NUMBER = re.compile(r"[^:\s\]]+")


class Entry(NamedTuple):
    """A text, and the number of the model's last call that it holds for."""

    until: int
    text: str


def schedule(text: str, steps: int, hires_steps: int | None = None, *, old: bool = False) -> tuple[Entry, ...]:
    """The texts that a prompt is over a sampling of `steps` (at least 1), by `until`; the last one's is `steps`.

    Calls are counted from 1, as in `[from:to:when]`: `from` is in force up to and with `when`. hires_steps: of the
    second pass over a picture, which is then what the answer is about: whole numbers count on from `steps`, and
    fractions from 1.0. old: A1111's way before 1.6, where a number below 1 is a share, any other a step, and the second
    pass repeats the first. What does not parse is text, and if there is a `|` outside of `[ ]`, or a backslash with
    nothing behind it, that is the whole text, as in A1111. Two neighbours may be equal.
    """
    count = steps if old or hires_steps is None else hires_steps
    if "[" not in text:
        return (Entry(count, text),)
    try:
        tree = _parser().parse(text)
    except LarkError:
        return (Entry(count, text),)
    numbers = _Numbers(count, steps if hires_steps is not None else 0, old)
    changes, period = _changes(tree, numbers)
    alternates = range(1, count) if period > 1 else ()
    known: dict[tuple[int, int], str] = {}
    entries: list[Entry] = []
    for step in sorted({*changes, *alternates, count} - {0}):
        key = bisect_left(changes, step), (step - 1) % period
        if key not in known:
            known[key] = _at(tree, step, numbers)
        entries.append(Entry(step, known[key]))
    return tuple(entries)


@dataclass(frozen=True, slots=True)
class _Numbers:
    """How the `when` of a part is read in a pass of `count` steps, before which there were `before`."""

    count: int
    before: int
    old: bool

    def last(self, when: str) -> int:
        """The last call before the change, at most `count`; below 1 there is no change."""
        number = _number(when)
        if self.old:
            calls = number * self.count if number < 1 else number
        elif "." in when:
            calls = (number - (1.0 if self.before else 0.0)) * self.count
        else:
            calls = number - self.before
        return int(max(0.0, min(calls, self.count)))


def _changes(tree: Tree[Token], numbers: _Numbers) -> tuple[list[int], int]:
    """(the calls after which a scheduled part changes, in order; after how many calls all alternate parts repeat)."""
    found: set[int] = set()
    period = 1
    for part in tree.iter_subtrees():
        if part.data == "scheduled":
            found.add(numbers.last(str(part.children[-1])))
        elif part.data == "alternate":
            period = math.lcm(period, len(part.children))
    return sorted(found), period


def _at(tree: Tree[Token], step: int, numbers: _Numbers) -> str:
    words: list[str] = []
    todo: list[Tree[Token] | Token] = [tree]
    while todo:
        part = todo.pop()
        if isinstance(part, str):
            words.append(part)
        elif part.data == "scheduled":
            *before, after, when = part.children
            todo += before if step <= numbers.last(str(when)) else (after,)
        elif part.data == "alternate":
            todo.append(part.children[(step - 1) % len(part.children)])
        else:
            todo.extend(reversed(part.children))
    return "".join(words)


def _number(when: str) -> float:
    found = _NUMBER.search(when)
    return float(found[0]) if found else math.inf


@lru_cache(maxsize=1)
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr", lexer="basic", postlex=_Brackets())


@dataclass(slots=True)
class _Open:
    """A bracket whose end is still to come, with what stands directly in it."""

    token: Token
    colons: int = 0
    bars: int = 0

    def is_whole(self, end: Token) -> bool:
        """Whether the bracket and what is in it are a part of the language when they end with this."""
        if self.token == "(":
            return end == ")" and self.colons <= 1 and not self.bars
        if end.type == "WHEN":
            return self.colons <= 1 and not self.bars and math.isfinite(_number(end))
        return end == "]" and not self.colons


class _Brackets(PostLex):
    """Makes text of all brackets that are no part of a whole; what encloses one of those is no whole either."""

    always_accept = ()

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        tokens = list(stream)
        opened: list[_Open] = []
        for token in tokens:
            if token in ("(", "["):
                opened.append(_Open(token))
            elif token in (")", "]") or token.type == "WHEN":
                if opened and opened[-1].is_whole(token):
                    opened.pop()
                else:
                    _make_text((token, *(one.token for one in opened)))
                    opened.clear()
            elif opened:
                opened[-1].colons += token.type == "COLON"
                opened[-1].bars += token == "|"
        _make_text(one.token for one in opened)
        return iter(tokens)


def _make_text(tokens: Iterable[Token]) -> None:
    for token in tokens:
        token.type = "STRAY"
