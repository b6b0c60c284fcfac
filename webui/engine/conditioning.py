"""Texts become conditionings: kept by content, and laid out over the calls of the model that they hold for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from weakref import WeakKeyDictionary

from webui.core.errors import InvalidField
from webui.core.prompt.wording import Part, Wording
from webui.engine.families.base import Conditioning, LoadedModel, Purpose

_Key = tuple[str, int, Purpose]

# Encoded texts that are kept for each model; the empty negative prompt is nearly always among them.
CACHED_BYTES = 64 * 2**20

MOST_CHUNKS = 1000
"""So many may all the texts of a prompt that changes, and of its negative one, fill together."""
_ALWAYS = 2
"""So many texts are encoded however long they are: a prompt and a negative one that do not change."""


class Abandoned(Exception):
    """Nobody waits for the texts any more."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """A conditioning over time: each entry holds for the calls (from 0) up to its number; the last for all others.

    A1111 counts texts' numbers from 1 and the model's calls from 0, so the first entry holds for one call more.
    """

    entries: tuple[tuple[int, Conditioning], ...]

    def at(self, call: int) -> Conditioning:
        """The conditioning of a call of the model."""
        for until, conditioning in self.entries[:-1]:
            if call <= until:
                return conditioning
        return self.entries[-1][1]


@dataclass(frozen=True, slots=True)
class Composition:
    """What a prompt is to a model: the timelines of its texts between AND, each with its weight; at least one."""

    parts: tuple[tuple[Timeline, float], ...]

    @property
    def weights(self) -> tuple[float, ...]:
        """The weights, in order."""
        return tuple(weight for _, weight in self.parts)

    def at(self, call: int) -> list[Conditioning]:
        """The conditionings of a call of the model, in order."""
        return [timeline.at(call) for timeline, _ in self.parts]


class Conditioner:
    """Encodes texts once for each model; safe to use from several threads."""

    def __init__(self, budget_bytes: int = CACHED_BYTES) -> None:
        self._budget = budget_bytes
        self._lock = Lock()
        self._kept: WeakKeyDictionary[LoadedModel, OrderedDict[_Key, Conditioning]] = WeakKeyDictionary()

    def encode(
        self,
        model: LoadedModel,
        prompt: Wording,
        negative: Wording | None,
        purpose: Purpose,
        before: Callable[[], None] = lambda: None,
        given_up: Callable[[], bool] = lambda: False,
    ) -> tuple[Composition, Timeline | None]:
        """The conditionings of two prompts, of one token count; without a negative one (CFG is off) only the first.

        purpose: the prompt's; the negative prompt's is the same but for that. before: called before a text is encoded,
        perhaps several times, and not for one that is known. given_up: asked before each text; what has been made until
        then stays known. Raises InvalidField where the texts are too many, and Abandoned.
        """
        asked = [(prompt, purpose)]
        if negative is not None:
            asked.append((negative, replace(purpose, negative=True)))
        texts = [(text, own) for wording, own in asked for text in wording.texts]
        longest = _chunks(model, texts, given_up)
        made: dict[tuple[str, bool], Conditioning] = {}
        for text, own in texts:
            _go_on(given_up)
            made[text, own.negative] = self._one(model, (text, longest, own), before)
        composition = Composition(tuple((_timeline(part, made, False), part.weight) for part in prompt.parts))
        return composition, None if negative is None else _timeline(negative.parts[0], made, True)

    def _one(self, model: LoadedModel, key: _Key, before: Callable[[], None]) -> Conditioning:
        with self._lock:
            kept = self._kept.setdefault(model, OrderedDict())
            if key in kept:
                kept.move_to_end(key)
                return kept[key]
        before()
        made = model.encode(*key)
        with self._lock:
            kept[key] = made
            while len(kept) > 1 and sum(c.size_bytes for c in kept.values()) > self._budget:
                kept.popitem(last=False)
        return made


def _chunks(model: LoadedModel, texts: Sequence[tuple[str, Purpose]], given_up: Callable[[], bool]) -> int:
    """How many chunks the longest one fills, to which all are padded."""
    longest = 1
    for text, own in texts:
        _go_on(given_up)
        longest = max(longest, model.chunk_count(text, own))
        if len(texts) > _ALWAYS and len(texts) * longest > MOST_CHUNKS:
            raise InvalidField(
                f"The prompts are {len(texts)} texts in the course of the steps, each as long as {longest} chunks of "
                f"tokens, which is too much to encode: together they may have {MOST_CHUNKS} chunks.",
                field="prompt",
                remedies=("Shorten the prompt", "Leave out some of its [a|b], [from:to:when] and AND"),
            )
    return longest


def _go_on(given_up: Callable[[], bool]) -> None:
    if given_up():
        raise Abandoned


def _timeline(part: Part, made: Mapping[tuple[str, bool], Conditioning], negative: bool) -> Timeline:
    return Timeline(tuple((entry.until, made[entry.text, negative]) for entry in part.entries))
