"""locales/: what an extension is called in other languages, a TOML file for each, read and checked."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from webui.core.errors import nearest

FOLDER = "locales"

_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_MOST_BYTES = 256 * 1024
_MOST_FILES = 100
_MOST_TEXT = 2000
_PLACE = re.compile(r"\{(\w+)\}")
_OF_PANEL = ("title", "description")
_TABLES = ("fields", "scripts", "page")
_OF_FIELD = ("label", "help", "choices")

Texts = Mapping[str, Any]
"""What a file says: `title` and `description`; `fields`, by their names, each with label, help and choices; `scripts`,
titles by their names; `page`, texts of the page itself by their keys. Only what is right is in it."""


@dataclass(frozen=True, slots=True)
class Known:
    """What there is to be called otherwise; `fields` with the choices of each, `page` with the English texts."""

    fields: Mapping[str, Collection[str]]
    scripts: Collection[str]
    page: Mapping[str, str]


def read_locales(folder: Path) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """(texts by language in small letters, what is wrong as sentences) of the extension in `folder`.

    What is wrong is left out, and the rest counts. Whether names are those of its fields is for `check_locales`.
    """
    found: dict[str, dict[str, Any]] = {}
    problems: list[str] = []
    try:
        files = sorted(path for path in (folder / FOLDER).iterdir() if path.suffix == ".toml")
    except (FileNotFoundError, NotADirectoryError):
        return {}, []
    except OSError as error:
        return {}, [f"{FOLDER}/ cannot be read: {error.strerror or error}."]
    if len(files) > _MOST_FILES:
        problems.append(f"{FOLDER}/ has {len(files)} files; the first {_MOST_FILES} are read.")
    for path in files[:_MOST_FILES]:
        place = f"{FOLDER}/{path.name}"
        if not _LANGUAGE.fullmatch(path.stem):
            problems.append(f"{place} is named for no language: de.toml, pt-BR.toml and the like are.")
            continue
        texts, wrong = _read(path)
        problems += [f"{place}: {sentence}" for sentence in wrong]
        if texts:
            found[path.stem.lower()] = texts
    return found, problems


def as_written(tag: str) -> str:
    """A language's tag as browsers write it: pt-BR, zh-Hant."""
    language, *parts = tag.split("-")
    return "-".join((language, *(part.upper() if len(part) == 2 else part.title() for part in parts)))


def check_locales(locales: Mapping[str, Texts], known: Known) -> list[str]:
    """What names nothing that there is, and what lacks a place of the English text, as sentences."""
    return [f"{FOLDER}/{language}: {said}" for language, texts in locales.items() for said in _checked(texts, known)]


def _checked(texts: Texts, known: Known) -> Iterator[str]:
    for field, words in texts.get("fields", {}).items():
        if field not in known.fields:
            yield f"there is no field '{field}'.{_hint(field, known.fields)}"
            continue
        for choice in words.get("choices", {}):
            if choice not in known.fields[field]:
                yield f"the field '{field}' has no choice '{choice}'.{_hint(choice, known.fields[field])}"
    for script in texts.get("scripts", {}):
        if script not in known.scripts:
            yield f"there is no script '{script}'.{_hint(script, known.scripts)}"
    for key, text in texts.get("page", {}).items():
        if key not in known.page:
            yield f"the page has no text '{key}'.{_hint(key, known.page)}"
        elif set(_PLACE.findall(text)) != set(_PLACE.findall(known.page[key])):
            yield f"the text '{key}' must have the places of the English one: '{known.page[key]}'."


def _read(path: Path) -> tuple[dict[str, Any], list[str]]:
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            return {}, [f"It is longer than {_MOST_BYTES // 1024} kB."]
        said = tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        return {}, [f"It cannot be read: {error}."]
    except OSError as error:
        return {}, [f"It cannot be read: {error.strerror or error}."]
    problems: list[str] = []
    texts: dict[str, Any] = _texts({key: value for key, value in said.items() if key not in _TABLES}, "", problems)
    for key in [key for key in texts if key not in _OF_PANEL]:
        problems.append(f"it has an unknown key '{key[:60]}'.{_hint(key, (*_OF_PANEL, *_TABLES))}")
        del texts[key]
    for table in _TABLES:
        if table in said and not isinstance(said[table], Mapping):
            problems.append(f"{table} must be a table, as in [{table}].")
        elif table in said:
            own = _fields(said[table], problems) if table == "fields" else _texts(said[table], f"{table}.", problems)
            if own:
                texts[table] = own
    return texts, problems


def _fields(given: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, words in given.items():
        place = f"fields.{name[:60]}"
        if not isinstance(words, Mapping):
            problems.append(f'{place} must be a table, as in {place} = {{ label = "..." }}.')
            continue
        for key in [key for key in words if key not in _OF_FIELD]:
            problems.append(f"{place} has an unknown key '{key[:60]}'.{_hint(key, _OF_FIELD)}")
        own: dict[str, Any] = _texts({k: v for k, v in words.items() if k in ("label", "help")}, f"{place}.", problems)
        choices = words.get("choices", {})
        if not isinstance(choices, Mapping):
            problems.append(f"{place}.choices must be a table of texts by the choices.")
        elif choices:
            own["choices"] = _texts(choices, f"{place}.choices.", problems)
        if own:
            found[name] = own
    return found


def _texts(given: Mapping[str, Any], place: str, problems: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in given.items():
        if not isinstance(value, str) or not value.strip():
            problems.append(f"{place}{key[:60]} must be text in quotes.")
        elif len(value) > _MOST_TEXT:
            problems.append(f"{place}{key[:60]} is longer than {_MOST_TEXT:,} characters.")
        else:
            found[key] = value
    return found


def _hint(word: str, known: Collection[str]) -> str:
    near = nearest(word, known)
    return f" Did you mean '{near}'?" if near else ""
