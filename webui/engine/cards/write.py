"""Write beside a model: A1111's <name>.json with what is unknown in it kept, and a preview; all at once or not at all.

Torch-free.
"""

from __future__ import annotations

import json
import secrets
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from webui.core.errors import Conflict, InvalidField
from webui.engine.cards.beside import FACTS, PICTURES, previews_of
from webui.engine.cards.card import CLIP_SKIPS, MAX_LETTERS, MAX_WEIGHT, NUMBERS, TEXTS
from webui.engine.cards.read import Unreadable, number_in, read_object
from webui.engine.cards.texts import clean
from webui.engine.work.files import new_file, sentences


def write_facts(folder: Path, base: str, changes: Mapping[str, Any]) -> None:
    """Change facts in A1111's file beside the model whose files' names begin with `base`; there need be none yet.

    changes: by our names, see TEXTS and NUMBERS. It is written as A1111 writes it. Raises InvalidField for a value that
    cannot be taken, Conflict where the file that is there cannot be read, StorageProblem.
    """
    checked = {name: _checked(name, value) for name, value in changes.items()}
    path = folder / f"{base}{FACTS}"
    data: dict[str, Any] = {}
    if path.exists():
        try:
            data, _ = read_object(path)
        except Unreadable as error:
            raise Conflict(
                f"{error} It is not written over.", remedies=("Mend that file", "Move that file away, then try again")
            ) from error
    for name, value in checked.items():
        key = {**TEXTS, **NUMBERS}[name]
        if value or (key in data and name != "clip_skip"):
            data[key] = value
        else:
            data.pop(key, None)
    # Halves of surrogate pairs, which JSON can hold, cannot be written.
    written = json.dumps(data, indent=4, ensure_ascii=False).encode("utf-8", "replace")
    with new_file(path, len(written), overwrite=True) as file:
        file.write(written)


def write_preview(folder: Path, base: str, picture: Path, kept: Path) -> str:
    """Make a copy of this picture the preview of the model whose files' names begin with `base`; its file's name.

    kept: the folder that earlier previews are moved into which it replaces or which would count more. Raises
    InvalidField for a picture of a kind that is no preview, StorageProblem.
    """
    ending = picture.suffix.lower().lstrip(".")
    if ending not in PICTURES:
        raise InvalidField(f"A preview is a file of the kind {', '.join(PICTURES)}, and {picture.name} is none.")
    target = folder / f"{base}.preview.{ending}"
    names = previews_of(base)
    earlier = [path for name in names[: names.index(target.name) + 1] if (path := folder / name).is_file()]
    with sentences(target):
        data = picture.read_bytes()
        for path in earlier:
            _keep(path, kept)
    with new_file(target, len(data), overwrite=True) as file:
        file.write(data)
    with sentences(target):
        for path in earlier:
            if path != target:
                path.unlink(missing_ok=True)
    return target.name


def _keep(path: Path, kept: Path) -> None:
    kept.mkdir(parents=True, exist_ok=True)
    shutil.copy2(path, kept / f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}-{path.name[-180:]}")


def _checked(name: str, value: Any) -> str | float | int:
    if name in TEXTS:
        if not isinstance(value, str):
            raise InvalidField(f"{TEXTS[name]} must be text.", field=name)
        if len(value) > MAX_LETTERS:
            raise InvalidField(
                f"{TEXTS[name]} is {len(value):,} letters long; at most {MAX_LETTERS:,} are taken.",
                field=name,
                remedies=("Shorten it",),
            )
        return clean(value)
    if name not in NUMBERS:
        raise InvalidField(f"There is no '{name[:60]}' in a card.", field=name[:60])
    low, high = CLIP_SKIPS if name == "clip_skip" else (-MAX_WEIGHT, MAX_WEIGHT)
    number = None if isinstance(value, str) else number_in(value, low, high)
    if number is None or (name == "clip_skip" and number != int(number)):
        raise InvalidField(f"{NUMBERS[name]} must be a number from {low:g} to {high:g}.", field=name)
    return int(number) if name == "clip_skip" else number
