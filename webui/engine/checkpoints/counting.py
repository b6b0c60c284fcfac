"""Count the tokens of a prompt as it is really encoded, whatever it says of time and weights. Torch-free."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from webui.core.prompt.emphasis import NONE, ORIGINAL, escaped
from webui.core.prompt.wording import Rules, read_negative, read_prompt
from webui.core.registry import Family
from webui.engine.checkpoints.checkpoint import Checkpoint
from webui.engine.checkpoints.words import NO_WORDS, Words

Count = Callable[[Checkpoint, str], tuple[int, int]]
"""(tokens in the text, room in the chunks they fill)."""

# Of a prompt that changes: beyond, only its longest texts are counted. A page asks at every pause in typing.
_MOST_CHARACTERS = 60_000


@dataclass(frozen=True, slots=True)
class Counted:
    """What is counted: a prompt, or a negative one, as a request with these values has it encoded."""

    text: str
    negative: bool = False
    steps: int = 20
    emphasis: str = ORIGINAL
    enable_prompt_comments: bool = True
    use_old_scheduling: bool = False

    def cut(self, length: int) -> Counted:
        """The same, of so many characters at most."""
        return replace(self, text=self.text[:length])


def counting(family: Family, count: Callable[..., Any], words: Words) -> Count:
    """What a family's row names as `count_tokens`, told which words are embeddings where that may matter to it."""
    return partial(count, words=words) if family.embeddings else count


def count_prompt(
    checkpoint: Checkpoint, family: Family, count: Callable[..., Any], asked: Counted, words: Words = NO_WORDS
) -> tuple[int, int]:
    """(tokens, room) of that text, of all that a prompt ever is, that takes most. count: what the row names. words:
    those that are embeddings."""
    counted = counting(family, count, words)
    rules = Rules(asked.steps, comments=asked.enable_prompt_comments, old=asked.use_old_scheduling)
    wording = (read_negative if asked.negative else read_prompt)(asked.text, rules)
    if not family.emphasis:
        wording = wording.without_emphasis(asked.emphasis)
    literal = family.emphasis and asked.emphasis == NONE
    found, left = [], _MOST_CHARACTERS
    for text in sorted(wording.texts, key=len, reverse=True):
        found.append(counted(checkpoint, escaped(text) if literal else text))
        left -= len(text)
        if left < 0:
            break
    return max(found)
