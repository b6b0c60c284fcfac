"""A model's card: description, notes, words for prompts, preferred parts, where it comes from. Torch-free."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from types import MappingProxyType

MAX_LETTERS = 20_000
"""Of each text; what is longer is cut when it is read and refused when it is written."""

MAX_WEIGHT = 10.0
CLIP_SKIPS = (0, 12)
"""The least and the most that is preferred; 0 prefers none."""


@dataclass(frozen=True, slots=True)
class Civitai:
    """Where a model comes from on CivitAI. Ids are 0 where they are not known."""

    model_id: int = 0
    version_id: int = 0
    model_name: str = ""
    version_name: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """What is said of a model; "", 0 and () where nothing is.

    sd_version, base_model: which models it belongs to, as A1111 and CivitAI write it. activation_text, negative_text:
    for the prompt and the negative prompt; trained_words: CivitAI's trigger words. preferred_weight: in a prompt.
    vae, clip_skip: preferred for a checkpoint. problems: sentences on what cannot be read.
    """

    description: str = ""
    notes: str = ""
    sd_version: str = ""
    activation_text: str = ""
    negative_text: str = ""
    preferred_weight: float = 0.0
    vae: str = ""
    clip_skip: int = 0
    trained_words: tuple[str, ...] = ()
    base_model: str = ""
    civitai: Civitai = Civitai()
    problems: tuple[str, ...] = ()

    @property
    def trigger_words(self) -> tuple[str, ...]:
        """Single words for the prompt: those of the activation text, then CivitAI's, none twice."""
        written = (piece.strip() for text in (self.activation_text, *self.trained_words) for piece in text.split(","))
        return tuple(dict.fromkeys(filter(None, written)))


TEXTS: Mapping[str, str] = MappingProxyType(
    {
        "description": "description",
        "notes": "notes",
        "sd_version": "sd version",
        "activation_text": "activation text",
        "negative_text": "negative text",
        "vae": "vae",
    }
)
"""A1111's keys in <name>.json by our names; `clip skip` in NUMBERS is ours alone, which A1111 leaves as it is."""

NUMBERS: Mapping[str, str] = MappingProxyType({"preferred_weight": "preferred weight", "clip_skip": "clip skip"})


def to_json(card: Card) -> str:
    """The card as text."""
    return json.dumps(asdict(card), ensure_ascii=False, separators=(",", ":"))


def from_json(text: str) -> Card:
    """The card that `to_json` described. Raises ValueError, KeyError, TypeError for any other text."""
    data = json.loads(text)
    values = {field.name: data[field.name] for field in fields(Card)}
    lists = {name: tuple(values[name]) for name in ("trained_words", "problems")}
    return Card(**{**values, **lists, "civitai": Civitai(**values["civitai"])})
