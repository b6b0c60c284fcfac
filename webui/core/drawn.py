"""What became of a request's prompts when it was accepted: styles put on, dynamic prompts drawn for each picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from webui.core.errors import InvalidField

DRAWN = "drawn"
"""The field of a stored request that this is."""
HIRES_DRAWN = "hires_drawn"
"""The same of the second pass, where it has prompts of its own."""
MAX_CHARACTERS = 2_000_000
"""Of all drawn texts of a job."""
_MOST_NOTES, _LONGEST_NOTE = 20, 1000


@dataclass(frozen=True, slots=True)
class Drawn:
    """Texts that count in place of the prompts as they were typed.

    template, negative_template: the prompts with their styles. all_prompts, all_negative_prompts: the texts of the
    pictures in order; () where each is the template. source: the house's seal on them and on what they were made from,
    by which a stored request is told from one that was changed since. notes: sentences for the person.
    """

    template: str
    negative_template: str
    all_prompts: tuple[str, ...] = ()
    all_negative_prompts: tuple[str, ...] = ()
    source: str = ""
    notes: tuple[str, ...] = ()

    @property
    def templates(self) -> tuple[str, str]:
        """Both templates."""
        return self.template, self.negative_template

    def texts_of(self, index: int) -> tuple[str, str]:
        """The prompt and negative prompt of picture `index` (from 0)."""
        return _at(self.all_prompts, index, self.template), _at(
            self.all_negative_prompts, index, self.negative_template
        )

    def cut_to(self, index: int) -> Self:
        """With the texts of picture `index` alone, in its place. It fits no request, which is then drawn anew."""
        if not self.all_prompts and not self.all_negative_prompts:
            return self
        before = ("",) * index
        prompts, negative_prompts = (
            (*before, *texts[index : index + 1]) for texts in (self.all_prompts, self.all_negative_prompts)
        )
        return replace(self, all_prompts=prompts, all_negative_prompts=negative_prompts, source="")

    def fits(self, pictures: int) -> bool:
        """Whether it has a text for each of so many pictures, and none besides."""
        return all(len(texts) in (0, pictures) for texts in (self.all_prompts, self.all_negative_prompts))

    @classmethod
    def from_json(cls, data: Any, longest: int) -> Self:
        """What `dataclasses.asdict` made. longest: characters that a text may have. Raises InvalidField."""
        if not isinstance(data, Mapping) or set(data) - set(cls.__slots__):
            raise _wrong()
        texts = {name: _texts(data.get(name, ()), longest) for name in ("all_prompts", "all_negative_prompts")}
        template, negative, source = (
            _text(data.get(name, ""), longest) for name in ("template", "negative_template", "source")
        )
        notes = _texts(data.get("notes", ()), _LONGEST_NOTE)
        if sum(len(text) for found in texts.values() for text in found) > MAX_CHARACTERS or len(notes) > _MOST_NOTES:
            raise _wrong()
        return cls(template, negative, **texts, source=source, notes=notes)


def _at(texts: tuple[str, ...], index: int, default: str) -> str:
    return texts[index] if index < len(texts) else default


def _texts(data: Any, longest: int) -> tuple[str, ...]:
    if not isinstance(data, list | tuple):
        raise _wrong()
    return tuple(_text(text, longest) for text in data)


def _text(text: Any, longest: int) -> str:
    if not isinstance(text, str) or len(text) > longest or any("\ud800" <= sign <= "\udfff" for sign in text):
        raise _wrong()
    return text


def _wrong() -> InvalidField:
    return InvalidField(
        "What was drawn for this request cannot be read.",
        field=DRAWN,
        remedies=("Leave it out, so that it is drawn from the seed again",),
    )
