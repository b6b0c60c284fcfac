"""What a prompt says, all its layers read in A1111's order: a value that the engine encodes and a page can show."""

from __future__ import annotations

from dataclasses import dataclass, replace

from webui.core.prompt.comments import without_comments
from webui.core.prompt.composition import SubPrompt, has_more, sub_prompts
from webui.core.prompt.emphasis import ORIGINAL, plain, weighs
from webui.core.prompt.networks import Network, take_networks
from webui.core.prompt.schedule import Entry, schedule


@dataclass(frozen=True, slots=True)
class Rules:
    """What the reading of a prompt depends on besides its text.

    calls: of the model in the sampling, which is twice its steps with samplers of second order, as A1111 counts.
    hires_calls: of the second pass, when that is what the answer is about. comments: whether `#` begins one. old: see
    `schedule`. composes: whether AND, and a weight behind a text, mean anything.
    """

    calls: int
    hires_calls: int | None = None
    comments: bool = True
    old: bool = False
    composes: bool = True


@dataclass(frozen=True, slots=True)
class Part:
    """One of a prompt's texts between AND: what it is over the calls of the model, and its weight."""

    entries: tuple[Entry, ...]
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Wording:
    """A prompt. parts: at least one. networks: what was taken out of it. has_more: whether it has an AND too many,
    which is a word."""

    parts: tuple[Part, ...]
    networks: tuple[Network, ...] = ()
    has_more: bool = False

    @property
    def is_composed(self) -> bool:
        """Whether it is more, or less, than one text of weight 1."""
        return len(self.parts) > 1 or self.parts[0].weight != 1.0

    @property
    def changes(self) -> bool:
        """Whether any of its texts changes on the way."""
        return any(entry.text != part.entries[0].text for part in self.parts for entry in part.entries)

    def weighs(self, mode: str = ORIGINAL) -> bool:
        """Whether any word is to have another weight than 1. mode: of `emphasis.MODES`."""
        return any(weighs(text, mode) for text in self.texts)

    def without_emphasis(self, mode: str = ORIGINAL) -> Wording:
        """The same with the words alone, for whom emphasis means nothing; with mode None its marks are words."""
        parts = (
            Part(tuple(Entry(entry.until, plain(entry.text, mode)) for entry in part.entries), part.weight)
            for part in self.parts
        )
        return replace(self, parts=tuple(parts))

    @property
    def texts(self) -> tuple[str, ...]:
        """All texts that it ever is, each once, in order."""
        return tuple(dict.fromkeys(entry.text for part in self.parts for entry in part.entries))


def read_prompt(text: str, rules: Rules) -> Wording:
    """What a prompt says. Never fails, whatever the text is."""
    rest, networks = take_networks(_uncommented(text, rules))
    texts = sub_prompts(rest) if rules.composes else (SubPrompt(rest),)
    return Wording(tuple(_part(one, rules) for one in texts), networks, rules.composes and has_more(texts))


def read_negative(text: str, rules: Rules) -> Wording:
    """What a negative prompt says, in which AND and extra networks are words, as in A1111."""
    return Wording((_part(SubPrompt(_uncommented(text, rules)), rules),))


def _uncommented(text: str, rules: Rules) -> str:
    return without_comments(text) if rules.comments else text


def _part(one: SubPrompt, rules: Rules) -> Part:
    return Part(schedule(one.text, rules.calls, rules.hires_calls, old=rules.old), one.weight)
