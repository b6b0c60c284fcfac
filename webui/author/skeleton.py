"""A new extension's folder, of a kind: the smallest that does something, and has a test which passes."""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path
from string import Template

from webui.core.errors import Conflict, InvalidField, StorageProblem
from webui.plugins.manifest import API, is_name

KINDS = ("filter", "sampler", "script", "tab", "prompt")
"""What there are skeletons of, the usual one first; each is a folder in skeleton/."""

_FILES = Path(__file__).with_name("skeleton")
_ENDING = ".txt"


def write_skeleton(name: str, parent: Path, kind: str = KINDS[0]) -> Path:
    """Write the folder `name` into `parent`, whole or not at all; returns it. kind: of KINDS.

    Raises DarkroomError for a name that cannot be, Conflict where something of this name is there already,
    StorageProblem.
    """
    if not is_name(name):
        why = f"'{name[:60]}' cannot be an extension's name: small letters and digits, with - or _ between them."
        raise InvalidField(why, field="name", remedies=("Choose a name such as my-frame",))
    folder = parent / name
    if folder.exists():
        raise Conflict(f"{folder} is there already.", remedies=("Choose another name",))
    ident = name.replace("-", "_")
    words = {"name": name, "ident": ident, "api": API, "title": ident.replace("_", " ").capitalize()}
    begun = parent / f".{name}-{secrets.token_hex(4)}"
    try:
        for source in sorted((_FILES / kind).rglob(f"*{_ENDING}")):
            place = source.relative_to(_FILES / kind).as_posix().removesuffix(_ENDING)
            target = begun / place.replace("skeleton", ident)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(Template(source.read_text("utf-8")).substitute(words), encoding="utf-8", newline="\n")
        begun.rename(folder)
    except OSError as error:
        raise StorageProblem(f"{folder} cannot be written: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(begun, ignore_errors=True)
    return folder
