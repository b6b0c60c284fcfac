"""Composition: `AND` between texts that the model is asked about one by one, each with a weight of its own."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

_AND = re.compile(r"\bAND\b")
_WEIGHT = re.compile(r"\s*([-+]?(?:\d+\.?|\d*\.\d+))")

MOST_TEXTS = 50
"""So many texts one prompt may have, since each costs a row of the model in every step."""


class SubPrompt(NamedTuple):
    """One of the texts; weight: how much of the way from the negative prompt to it is gone, times the CFG scale."""

    text: str
    weight: float = 1.0


def sub_prompts(text: str) -> tuple[SubPrompt, ...]:
    """The texts between the words AND, at least one; `:number` at a text's end is its weight, which may be negative.

    It is the outermost layer of the language: brackets do not hold an AND together. As in A1111 a weight counts where
    there is no AND too. A number that is none, or too large for one, stays text. In the last of `MOST_TEXTS` AND is a
    word.
    """
    return tuple(_sub_prompt(part) for part in _AND.split(text, MOST_TEXTS - 1))


def has_more(texts: Sequence[SubPrompt]) -> bool:
    """Whether there were more texts in a prompt than `sub_prompts` took apart."""
    return len(texts) == MOST_TEXTS and bool(_AND.search(texts[-1].text))


def _sub_prompt(text: str) -> SubPrompt:
    text = text.rstrip()
    words, colon, end = text.rpartition(":")
    found = _WEIGHT.fullmatch(end) if colon else None
    weight = float(found[1]) if found else math.inf
    return SubPrompt(words.rstrip(), weight) if math.isfinite(weight) else SubPrompt(text)
