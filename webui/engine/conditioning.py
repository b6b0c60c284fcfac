"""Texts become conditionings: kept by content, and laid out over the steps they hold for."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from threading import Lock
from weakref import WeakKeyDictionary

from webui.engine.families.base import Conditioning, LoadedModel, Purpose

_Key = tuple[str, int, Purpose]

# Encoded texts that are kept for each model; the empty negative prompt is nearly always among them.
CACHED_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Timeline:
    """A conditioning over time: each entry holds for the steps (from 0) before its number; the last for all others."""

    entries: tuple[tuple[int, Conditioning], ...]

    def at(self, step: int) -> Conditioning:
        """The conditioning of a step."""
        for until, conditioning in self.entries[:-1]:
            if step < until:
                return conditioning
        return self.entries[-1][1]


class Conditioner:
    """Encodes texts once for each model; safe to use from several threads."""

    def __init__(self, budget_bytes: int = CACHED_BYTES) -> None:
        self._budget = budget_bytes
        self._lock = Lock()
        self._kept: WeakKeyDictionary[LoadedModel, OrderedDict[_Key, Conditioning]] = WeakKeyDictionary()

    def encode(
        self, model: LoadedModel, prompt: str, negative: str | None, purpose: Purpose
    ) -> tuple[Timeline, Timeline | None]:
        """The two texts' conditionings, of one token count; without a negative text (CFG is off) only the first.

        purpose: the prompt's; the negative text's is the same but for that.
        """
        texts = [(prompt, purpose)]
        if negative is not None:
            texts.append((negative, replace(purpose, negative=True)))
        longest = max(model.chunk_count(text) for text, _ in texts)
        # The prompt language will give several entries; a plain text holds for all steps.
        made = [Timeline(((0, self._one(model, (text, longest, own))),)) for text, own in texts]
        return made[0], made[1] if negative is not None else None

    def _one(self, model: LoadedModel, key: _Key) -> Conditioning:
        with self._lock:
            kept = self._kept.setdefault(model, OrderedDict())
            if key in kept:
                kept.move_to_end(key)
                return kept[key]
        made = model.encode(*key)
        with self._lock:
            kept[key] = made
            while len(kept) > 1 and sum(c.size_bytes for c in kept.values()) > self._budget:
                kept.popitem(last=False)
        return made
