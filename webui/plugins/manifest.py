"""extension.toml: what an extension says of itself, read and checked."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from packaging.requirements import InvalidRequirement, Requirement

from webui.core.errors import DarkroomError, nearest

API = "1"
"""The version of the contract between Darkroom and its extensions: one that an extension breaks with is a new one."""

MINOR = 0
"""So often names were added to this version. An extension that needs them says api = "1.MINOR"."""

FILE = "extension.toml"

PACKAGE = "darkroom_extension_"
"""What the names of the private packages begin with that extensions' modules live in."""

PERMISSIONS: Mapping[str, str] = MappingProxyType(
    {
        "network": "asks servers on the network",
        "files": "reads or writes files outside its own folder",
        "subprocess": "starts other programs",
        "models": "reads or changes the weights of models",
    }
)
"""What an extension may say that it does, and what each word means to a person. They are told, not enforced."""

_NAME = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")
_API = re.compile(r"([0-9]{1,6})(?:\.([0-9]{1,6}))?")
_MOST_NAME = 60
_MOST_BYTES = 64 * 1024
_MOST_TEXT = 2000
_MOST_ENTRIES = 50
_MOST_ENTRY = 300
_MOST_FAULTS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """An extension's own words: `name` in small letters, digits, - and _; `api` the contract it was written for.

    links: title to https address. dependencies: requirements as pip takes them ("einops>=0.8"). requires: extensions
    that must be loaded too. permissions: words of PERMISSIONS. contributes: what it brings, in its own words.
    before, after: extensions that its hooks are called before or after, where they are there.
    """

    name: str
    version: str
    api: str
    title: str = ""
    description: str = ""
    author: str = ""
    license: str = ""
    links: Mapping[str, str] = field(default_factory=dict)
    dependencies: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    permissions: tuple[str, ...] = ()
    contributes: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()

    @property
    def package(self) -> str:
        """The private package that the extension's modules live in; no two extensions share one."""
        return PACKAGE + self.name.replace("-", "_")


def read_manifest(folder: Path) -> Manifest:
    """The manifest of the extension in `folder`; raises DarkroomError with a sentence for its author."""
    path = folder / FILE
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise DarkroomError(f"It has no {FILE}, so it is no extension for Darkroom.") from error
    if len(text) > _MOST_BYTES:
        raise DarkroomError(f"Its {FILE} is longer than {_MOST_BYTES // 1024} kB.")
    try:
        data = tomllib.loads(text.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DarkroomError(f"Its {FILE} cannot be read: {error}.") from error
    return parse_manifest(data)


def parse_manifest(data: Mapping[str, Any]) -> Manifest:
    """The manifest that this table is; raises DarkroomError with a sentence for its author."""
    values = _values(data)
    name = values["name"]
    if not is_name(name):
        raise DarkroomError(f"Its name '{name[:60]}' must be of at most {_MOST_NAME} small letters, digits, - and _.")
    _check_api(values["api"])
    for key in ("requires", "before", "after"):
        if any(same(name, other) for other in values.get(key, ())):
            raise DarkroomError(f"In its {FILE}, {key} names the extension itself.")
    return Manifest(**{"title": name, **values})


def _values(data: Mapping[str, Any]) -> dict[str, Any]:
    """What the keys say, each read by itself: all that is wrong with them is told at once."""
    known = {field.name: field.default is MISSING and field.default_factory is MISSING for field in fields(Manifest)}
    wrong: list[str] = []
    values: dict[str, Any] = {}
    for key, value in data.items():
        if key not in known:
            near = nearest(key, known)
            wrong.append(f"Its {FILE} has an unknown key '{key[:60]}'." + (f" Did you mean '{near}'?" if near else ""))
            continue
        try:
            values[key] = _check(key, value)
        except DarkroomError as error:
            wrong.append(error.detail)
    # 0 and false are of a wrong type, which is told of them already.
    missing = [key for key, required in known.items() if required and (key not in data or values.get(key) == "")]
    if missing:
        wrong.append(f"Its {FILE} lacks {', '.join(missing)}.")
    if wrong:
        more = f" {len(wrong) - _MOST_FAULTS} more are wrong." if len(wrong) > _MOST_FAULTS else ""
        raise DarkroomError(" ".join(wrong[:_MOST_FAULTS]) + more)
    return values


def _check_api(api: str) -> None:
    """Refuse a version of the contract that is not this one, or has names that this Darkroom does not know yet."""
    found = _API.fullmatch(api)
    if found is None:
        raise DarkroomError(
            f'In its {FILE}, api is \'{api[:20]}\'; it must be "{API}", or "{API}.N" for its Nth addition.'
        )
    asked, ours = (int(found[1]), int(found[2] or 0)), (int(API), MINOR)
    if asked > ours:
        raise DarkroomError(
            f"It is written for version {api} of the contract, and this Darkroom speaks {API}.{MINOR}: update Darkroom."
        )
    if asked[0] != ours[0]:
        raise DarkroomError(
            f"It is written for version {api} of the contract; this Darkroom speaks {API}: look for a newer one of it."
        )


def is_name(text: str) -> bool:
    """Whether an extension may have this name: it is the name of its folder too."""
    return len(text) <= _MOST_NAME and _NAME.fullmatch(text) is not None


def same(one: str, other: str) -> bool:
    """Whether these are names of one extension: - and _ count as the same, as in the names of Python's packages."""
    return one.replace("-", "_") == other.replace("-", "_")


def _check(key: str, value: Any) -> Any:
    check: Callable[[str, Any], Any] = _CHECKS.get(key, _text)
    return check(key, value)


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise DarkroomError(f"In its {FILE}, {key} must be text in quotes.")
    if len(value) > _MOST_TEXT:
        raise DarkroomError(f"In its {FILE}, {key} is longer than {_MOST_TEXT:,} characters.")
    return value


def _list(key: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(entry, str) and entry for entry in value):
        raise DarkroomError(f'In its {FILE}, {key} must be a list of texts, as in {key} = ["..."].')
    if len(value) > _MOST_ENTRIES or any(len(entry) > _MOST_ENTRY for entry in value):
        raise DarkroomError(f"In its {FILE}, {key} takes {_MOST_ENTRIES} texts of {_MOST_ENTRY} characters at most.")
    return tuple(dict.fromkeys(value))


def _names(key: str, value: Any) -> tuple[str, ...]:
    names = _list(key, value)
    for name in names:
        if not is_name(name):
            raise DarkroomError(f"In its {FILE}, {key} has '{name[:60]}', which is no extension's name.")
    return names


def _permissions(key: str, value: Any) -> tuple[str, ...]:
    words = _list(key, value)
    for word in words:
        if word not in PERMISSIONS:
            raise DarkroomError(f"In its {FILE}, {key} has '{word[:60]}', which is none. {_one_of(PERMISSIONS, word)}")
    return words


def _one_of(known: Iterable[str], word: str) -> str:
    near = nearest(word, known)
    return f"Did you mean '{near}'?" if near else f"There are {', '.join(known)}."


def _requirements(key: str, value: Any) -> tuple[str, ...]:
    """Requirements by name and version: an address would come past the pins, and past what a person is shown."""
    lines = _list(key, value)
    for line in lines:
        try:
            requirement = Requirement(line)
        except InvalidRequirement as error:
            raise DarkroomError(f"In its {FILE}, {key} has '{line[:60]}', which pip cannot read.") from error
        if requirement.url:
            raise DarkroomError(
                f"In its {FILE}, {key} has '{line[:60]}', an address; packages are taken by name and version."
            )
    return lines


def _links(key: str, value: Any) -> Mapping[str, str]:
    if not isinstance(value, Mapping) or not all(isinstance(address, str) for address in value.values()):
        raise DarkroomError(
            f'In its {FILE}, {key} must be a table of addresses, as in [{key}] and home = "https://...".'
        )
    if len(value) > _MOST_ENTRIES or any(len(text) > _MOST_ENTRY for pair in value.items() for text in pair):
        raise DarkroomError(
            f"In its {FILE}, {key} takes {_MOST_ENTRIES} addresses of {_MOST_ENTRY} characters at most."
        )
    for title, address in value.items():
        if not _is_web(address):
            raise DarkroomError(f"In its {FILE}, the link '{title[:60]}' must be an address that begins with https://.")
    return dict(value)


def _is_web(address: str) -> bool:
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


_CHECKS: Mapping[str, Callable[[str, Any], Any]] = MappingProxyType(
    {
        "links": _links,
        "dependencies": _requirements,
        "requires": _names,
        "permissions": _permissions,
        "contributes": _list,
        "before": _names,
        "after": _names,
    }
)
"""How each value that is no plain text is read."""
