"""extension.toml: what an extension says of itself, read and checked."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from webui.core.errors import DarkroomError, nearest

API = "1"
"""The version of the contract between Darkroom and its extensions."""

FILE = "extension.toml"
_NAME = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """An extension's own words: `name` in small letters, digits, - and _; `api` the contract it was written for."""

    name: str
    version: str
    api: str
    title: str = ""
    description: str = ""
    author: str = ""
    license: str = ""

    @property
    def package(self) -> str:
        """The private package that the extension's modules live in; no two extensions share one."""
        return "darkroom_extension_" + self.name.replace("-", "_")


def read_manifest(folder: Path) -> Manifest:
    """The manifest of the extension in `folder`; raises DarkroomError with a sentence for its author."""
    path = folder / FILE
    if not path.is_file():
        raise DarkroomError(f"It has no {FILE}, so it is no extension for Darkroom.")
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DarkroomError(f"Its {FILE} cannot be read: {error}.") from error
    return _check(data)


def _check(data: Mapping[str, Any]) -> Manifest:
    known = {field.name: field.default is MISSING for field in fields(Manifest)}
    for key, value in data.items():
        if key not in known:
            near = nearest(key, known)
            raise DarkroomError(
                f"Its {FILE} has an unknown key '{key}'." + (f" Did you mean '{near}'?" if near else "")
            )
        if not isinstance(value, str):
            raise DarkroomError(f"In its {FILE}, {key} must be text in quotes.")
    missing = [key for key, required in known.items() if required and not data.get(key)]
    if missing:
        raise DarkroomError(f"Its {FILE} lacks {', '.join(missing)}.")
    if not _NAME.fullmatch(data["name"]):
        raise DarkroomError(f"Its name '{data['name'][:60]}' must be of small letters, digits, - and _.")
    if data["api"] != API:
        raise DarkroomError(f"It is written for version {data['api']} of the contract; this Darkroom speaks {API}.")
    return Manifest(**{"title": data["name"], **data})
