"""Read a card out of the files beside a model: what can be read counts, what cannot is said in a sentence. Torch-free.

The formats are those of A1111's user metadata (<name>.json, <name>.txt) and of CivitAI Helper (<name>.civitai.info,
which is CivitAI's answer about one version of a model).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from webui.engine.cards.beside import Beside, File
from webui.engine.cards.card import CLIP_SKIPS, MAX_LETTERS, MAX_WEIGHT, NUMBERS, TEXTS, Card, Civitai
from webui.engine.cards.texts import clean, decode, plain

MAX_BYTES = 8_000_000
"""Of a file with facts; CivitAI's answer about a model with hundreds of pictures has one or two million."""

_MAX_WORDS = 200
_MAX_ID = 2**53


class Unreadable(Exception):
    """A file cannot be read at all; the text is a sentence that names it."""


def read_card(beside: Beside) -> Card:
    """All that these files say; A1111's words count before CivitAI's, which fill what is left empty."""
    problems: list[str] = []
    facts = _object(beside.facts, problems)
    texts = {ours: _text(facts, theirs, beside.facts, problems) for ours, theirs in TEXTS.items()}
    numbers = {ours: _number(facts, theirs, beside.facts, problems) for ours, theirs in NUMBERS.items()}
    info = _object(beside.civitai, problems)
    model = _inner(info, "model", beside.civitai, problems)
    said = _description(beside.description, problems)
    fallback = [_text(part, "description", beside.civitai, problems) for part in (info, model)]
    return Card(
        **texts | {"description": texts["description"] or said or "\n\n".join(filter(None, map(plain, fallback)))},
        preferred_weight=numbers["preferred_weight"],
        clip_skip=int(numbers["clip_skip"]),
        trained_words=_words(info, beside.civitai, problems),
        base_model=_text(info, "baseModel", beside.civitai, problems)[:200],
        civitai=Civitai(
            _id(info, "modelId", beside.civitai, problems),
            _id(info, "id", beside.civitai, problems),
            _text(model, "name", beside.civitai, problems)[:200],
            _text(info, "name", beside.civitai, problems)[:200],
        ),
        problems=tuple(dict.fromkeys(problems)),
    )


def read_object(path: Path) -> tuple[dict[str, Any], bool]:
    """(the JSON object in a file, whether its encoding is right). Raises Unreadable with a sentence."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise Unreadable(f"{path.name} is far too large to be a card, and was not read.")
        text, right = decode(path.read_bytes())
        data = json.loads(text)
    except OSError as error:
        raise Unreadable(f"{path.name} cannot be read: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"{path.name} is no JSON, so nothing of it is shown.") from error
    if not isinstance(data, dict):
        raise Unreadable(f"{path.name} is no JSON object, so nothing of it is shown.")
    return data, right


def number_in(value: Any, low: float, high: float) -> float | None:
    """A number of these limits, also one that is written as text, as some programs do; None for anything else."""
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if low <= number <= high else None


def _object(file: File | None, problems: list[str]) -> Mapping[str, Any]:
    if file is None:
        return {}
    try:
        data, right = read_object(file.path)
    except Unreadable as error:
        problems.append(str(error))
        return {}
    if not right:
        problems.append(f"{file.path.name} is not in UTF-8; some letters may be wrong.")
    return data


def _description(file: File | None, problems: list[str]) -> str:
    if file is None:
        return ""
    try:
        with file.path.open("rb") as opened:
            # A letter takes four bytes at most.
            text, right = decode(opened.read(4 * MAX_LETTERS))
    except OSError as error:
        problems.append(f"{file.path.name} cannot be read: {error.strerror or error}.")
        return ""
    # What was cut inside a letter is no fault of the file.
    if not right and file.size <= 4 * MAX_LETTERS:
        problems.append(f"{file.path.name} is not in UTF-8; some letters may be wrong.")
    return clean(text)[:MAX_LETTERS]


def _text(data: Mapping[str, Any], key: str, file: File | None, problems: list[str]) -> str:
    value = data.get(key)
    if value is None:
        return ""
    if isinstance(value, str):
        return clean(value)[:MAX_LETTERS]
    _left_out(key, file, problems, "no text")
    return ""


def _number(data: Mapping[str, Any], key: str, file: File | None, problems: list[str]) -> float:
    value = data.get(key)
    if value in (None, ""):
        return 0.0
    low, high = CLIP_SKIPS if key == NUMBERS["clip_skip"] else (-MAX_WEIGHT, MAX_WEIGHT)
    number = number_in(value, low, high)
    if number is None:
        _left_out(key, file, problems, f"no number from {low:g} to {high:g}")
    return number or 0.0


def _id(data: Mapping[str, Any], key: str, file: File | None, problems: list[str]) -> int:
    number = number_in(data.get(key, 0), 0, _MAX_ID)
    if number is None and data.get(key) is not None:
        _left_out(key, file, problems, "no number")
    return int(number or 0)


def _inner(data: Mapping[str, Any], key: str, file: File | None, problems: list[str]) -> Mapping[str, Any]:
    value = data.get(key)
    if value is None or isinstance(value, dict):
        return value or {}
    _left_out(key, file, problems, "no object")
    return {}


def _words(data: Mapping[str, Any], file: File | None, problems: list[str]) -> tuple[str, ...]:
    value = data.get("trainedWords")
    if value is None:
        return ()
    words = value if isinstance(value, list) else []
    good = [clean(word)[:MAX_LETTERS] for word in words[:_MAX_WORDS] if isinstance(word, str)]
    if not isinstance(value, list) or len(good) < len(words[:_MAX_WORDS]):
        _left_out("trainedWords", file, problems, "no list of texts")
    return tuple(filter(None, good))


def _left_out(key: str, file: File | None, problems: list[str], what: str) -> None:
    name = file.path.name if file else ""
    problems.append(f"In {name} '{key}' is {what}, so it is left out.")
