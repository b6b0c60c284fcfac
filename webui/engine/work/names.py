"""Names for new files of models, from whatever people and servers say. Torch-free."""

from __future__ import annotations

import re
import unicodedata

from webui.core.errors import InvalidField

_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f-\x9f\\/:*?"<>|\u202a-\u202e\u2066-\u2069]')
_WINDOWS = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
# Below the 255 of file systems, so that sidecars find room beside it.
_MAX_BYTES = 230


def check_length(name: str, suffix: str = "") -> None:
    """Raises InvalidField for a name that a person gives and that is too long for a file."""
    length, most = len(name.removesuffix(suffix).encode("utf-8", "replace")), _MAX_BYTES - len(suffix.encode())
    if length > most:
        raise InvalidField(
            f"The name {name[:40]}... is too long for a file: it has {length} bytes, and {most} are taken.",
            field="name",
            remedies=("Choose a shorter name",),
        )


def safe_name(name: str, suffix: str = "") -> str:
    """The name made safe for every file system and for a folder of models: one part, not hidden, not too long.

    suffix: what it shall end in, kept when the name is cut. Raises InvalidField when nothing is left.
    """
    bare = name.removesuffix(suffix) if suffix else name
    bare = _FORBIDDEN.sub("_", unicodedata.normalize("NFC", bare)).strip().lstrip(".").rstrip(". ")
    # Lone surrogates, as from a damaged name, cannot be written everywhere.
    raw = bare.encode("utf-8", "replace")[: _MAX_BYTES - len(suffix.encode())]
    bare = raw.decode("utf-8", "ignore").strip()
    if _WINDOWS.fullmatch(bare):
        bare = f"_{bare}"
    if not bare:
        raise InvalidField(f"'{name[:40]}' can be no file's name.", field="name", remedies=("Choose another name",))
    return bare + suffix
