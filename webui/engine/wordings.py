"""A job's texts read as its model takes them, with notes of what means nothing to it. Torch-free."""

from __future__ import annotations

from dataclasses import replace

from webui.core.prompt.composition import MOST_TEXTS
from webui.core.prompt.wording import Rules, Wording, read_negative, read_prompt
from webui.core.request import GenerationRequest

NO_WEIGHTS = (
    "This model does not weigh words: the brackets of (word:1.3) and [word] were left out. With emphasis mode None "
    "they are text."
)
NO_CHANGES = (
    "This model runs through its own pipeline, which takes one prompt for all steps: of [from:to:when] and [a|b] it "
    "was told what comes first."
)
NO_COMPOSITION = (
    "This model runs through its own pipeline, which takes one prompt: texts between AND were told as one, without "
    "their weights."
)
TOO_MANY_TEXTS = f"The prompt has more than {MOST_TEXTS} texts between AND: in the last of them AND was read as a word."


class Wordings:
    """Reads the prompts of one job for one of its models."""

    def __init__(
        self, request: GenerationRequest, calls: int, *, emphasis: bool, hires_calls: int | None = None
    ) -> None:
        """calls, hires_calls: of the model, as its sampler is counted; see core/prompt/wording.py. emphasis: see
        `Family`.
        """
        self._mode = request.emphasis
        self._rules = Rules(calls, hires_calls, comments=request.has_comments, old=request.use_old_scheduling)
        self._emphasis = emphasis
        self.notes: dict[str, None] = {}
        """Sentences for the person, in order."""

    def prompt(self, text: str) -> Wording:
        """A prompt."""
        return self._told(read_prompt(text, self._rules))

    def negative(self, text: str) -> Wording:
        """A negative prompt."""
        return self._told(read_negative(text, self._rules))

    def as_one(self, text: str, *, negative: bool = False) -> str:
        """A prompt for whom one text is all that can be told."""
        if negative:
            wording = self.negative(text)
        else:
            wording = self.prompt(text)
            if len(wording.parts) == 1:
                # "16:9" at its end is no weight, since there is nothing to weigh against.
                wording = self._told(read_prompt(text, replace(self._rules, composes=False)))
        if wording.changes:
            self.notes[NO_CHANGES] = None
        if len(wording.parts) == 1:
            return wording.parts[0].entries[0].text
        self.notes[NO_COMPOSITION] = None
        return ", ".join(filter(None, (part.entries[0].text.strip() for part in wording.parts)))

    def _told(self, wording: Wording) -> Wording:
        if wording.has_more:
            self.notes[TOO_MANY_TEXTS] = None
        if self._emphasis:
            return wording
        if wording.weighs(self._mode):
            self.notes[NO_WEIGHTS] = None
        return wording.without_emphasis(self._mode)


def calls_of(steps: int, order: int) -> int:
    """How many calls of the model A1111 counts for so many steps of a sampler of this order."""
    return steps * 2 if order == 2 else steps
