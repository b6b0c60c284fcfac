"""NovelAI's pictures: the prompt as a description, the rest as an object in a comment; its braces become weights."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from webui.images.picture_file import PictureFile
from webui.images.readers import names
from webui.images.readers.values import json_object, request_values, some, whole

_STEP = 1.05
"""What each pair of braces multiplies a weight with, and each pair of brackets divides it by."""
_TOKEN = re.compile(
    r"(?P<number>-?\d{1,3}(?:\.\d{1,4})?)::|(?P<end>::)|(?P<bracket>[{}\[\]])|(?P<text>[^{}\[\]:\d-]+|.)", re.S
)
_MOST_TEXT = 50_000
_ESCAPED = re.compile(r"([()\[\]\\])")


def read(file: PictureFile) -> dict[str, Any] | None:
    """Values by the names of a request's fields; None where it is another program's picture."""
    if not file.texts.get("Software", "").startswith("NovelAI"):
        return None
    return values(file.texts, file.width, file.height)


def values(texts: Mapping[str, Any], width: int, height: int) -> dict[str, Any] | None:
    """The same of the picture's texts by their keywords. width, height: of the picture, where they say nothing."""
    comment = texts.get("Comment")
    said = json_object(comment) if isinstance(comment, str) else comment
    if not isinstance(said, Mapping):
        return None
    prompt, negative = _caption(said, "v4_prompt"), _caption(said, "v4_negative_prompt")
    return request_values(
        prompt=weighted(prompt or some(said, "prompt") or texts.get("Description")),
        negative_prompt=weighted(negative or some(said, "uc")) or "",
        steps=whole(some(said, "steps")),
        cfg_scale=whole(some(said, "scale")),
        seed=whole(some(said, "seed")),
        sampler_name=names.sampler(some(said, "sampler")),
        scheduler=names.schedule(some(said, "noise_schedule")),
        width=whole(some(said, "width")) or width,
        height=whole(some(said, "height")) or height,
    )


def _caption(said: Mapping[str, Any], key: str) -> str | None:
    """The newer models' prompt, with what it says of single characters behind it."""
    caption = some(some(said, key), "caption")
    rows = some(caption, "char_captions")
    people = [some(row, "char_caption") for row in rows] if isinstance(rows, list) else []
    texts = [text for text in (some(caption, "base_caption"), *people) if isinstance(text, str) and text.strip()]
    return ", ".join(texts) or None


def weighted(text: Any) -> Any:
    """`{{cat}}` as (cat:1.102), `[cat]` as (cat:0.952), `1.5::cat::` as (cat:1.5); anything but a text as it is."""
    if not isinstance(text, str):
        return text
    return "".join(_written(words, weight) for words, weight in _parts(text[:_MOST_TEXT]))


def _parts(text: str) -> Iterator[tuple[str, float]]:
    """The words of equal weight that lie side by side."""
    level, number, words, weight = 0, 1.0, "", 1.0
    for found in _TOKEN.finditer(text):
        if found["text"]:
            words += found["text"]
            continue
        if found["bracket"]:
            level += 1 if found["bracket"] in "{]" else -1
        else:
            number = float(found["number"]) if found["number"] else 1.0
        now = number * _STEP**level
        if now != weight and words:
            yield words, weight
            words = ""
        weight = now
    if words:
        yield words, weight


def _written(words: str, weight: float) -> str:
    bare = words.strip()
    if not bare:
        return words
    # What is plain there means something here.
    plain = _ESCAPED.sub(r"\\\1", bare)
    shown = plain if abs(weight - 1) < 1e-3 else f"({plain}:{weight:.4g})"
    return words.replace(bare, shown, 1)
