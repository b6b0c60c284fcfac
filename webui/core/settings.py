"""The settings in force, and the file that keeps what a person has set; the rows are in core/setting_rows.py."""

from __future__ import annotations

import json
import logging
import os
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_origin

from pydantic import ValidationError

from webui.core.errors import Faults, InvalidField, NotAllowed, StorageProblem, UnknownName
from webui.core.panels import EXTENSIONS
from webui.core.sampler_fields import ENDS, check_ends
from webui.core.setting_rows import Settings

__all__ = ["ENVIRONMENT_PREFIX", "Settings", "SettingsStore", "check_settings", "environment_values"]

log = logging.getLogger(__name__)

ENVIRONMENT_PREFIX = "DARKROOM_"


def environment_values(environ: Mapping[str, str]) -> dict[str, Any]:
    """Settings given as DARKROOM_<NAME>; lists are written with commas. Other DARKROOM_ variables are not ours.

    What extensions' fields are to be by default cannot be said in one text, so it is not read from there.
    """
    values: dict[str, Any] = {}
    for name, field in Settings.model_fields.items():
        text = environ.get(ENVIRONMENT_PREFIX + name.upper())
        if text is not None and name != EXTENSIONS:
            is_list = get_origin(field.annotation) is tuple
            values[name] = [part.strip() for part in text.split(",") if part.strip()] if is_list else text
    return values


def check_settings(values: Mapping[str, Any]) -> Settings:
    """Settings from loose values over the defaults; raises InvalidField, InvalidRequest when several are wrong."""
    faults = Faults()
    for name in values:
        if name not in Settings.model_fields:
            faults.add(UnknownName("setting", str(name), Settings.model_fields, field=str(name)[:60]))
    try:
        settings = Settings(**{name: value for name, value in values.items() if name in Settings.model_fields})
    except ValidationError as error:
        for complaint in error.errors():
            faults.add(_of_complaint(str(complaint["loc"][0]), complaint["msg"]))
    faults.raise_found()
    return settings


def _of_complaint(name: str, said: str) -> InvalidField:
    # pydantic goes on behind a comma with how it failed to read a text.
    said = said.replace("Input should be", "must be").partition(", unable to parse")[0]
    said = said if said.startswith("must be") else f"is wrong: {said}"
    return InvalidField(f"{Settings.model_fields[name].title} {said}.", field=name)


class SettingsStore:
    """The settings in force: the file's values with `overrides` (environment and flags) over them. Thread-safe.

    `message` is a sentence when the file was damaged and set aside. A `frozen` store refuses every change.
    """

    def __init__(self, path: Path, overrides: Mapping[str, Any] | None = None, *, frozen: bool = False) -> None:
        self.path = path
        self.frozen = frozen
        self.message: str | None = None
        self._overrides = dict(overrides or {})
        self._lock = threading.Lock()
        check_settings(self._overrides)
        self._saved = self._read()
        self._current = self._combine(self._saved)

    @property
    def current(self) -> Settings:
        """The settings now; a frozen value."""
        return self._current

    @property
    def fixed(self) -> frozenset[str]:
        """Names that the environment or a flag has set, which cannot be changed while this process runs."""
        return frozenset(self._overrides)

    def update(self, values: Mapping[str, Any]) -> Settings:
        """Change these settings and save the file; all or none.

        Raises InvalidField for a value that cannot be taken, NotAllowed where settings are frozen, StorageProblem.
        """
        with self._lock:
            changed = {name: value for name, value in check_settings(values) if name in values}
            changed = {name: value for name, value in changed.items() if getattr(self._current, name) != value}
            if changed and self.frozen:
                raise NotAllowed("The settings are frozen: Darkroom was started with --freeze-settings.")
            for name in changed:
                if name in self._overrides:
                    raise InvalidField(
                        f"{Settings.model_fields[name].title} was set when Darkroom was started, by a flag or by "
                        f"{ENVIRONMENT_PREFIX}{name.upper()}, and cannot be changed while it runs.",
                        field=name,
                    )
            if not changed:
                return self._current
            saved = {**self._saved, **changed}
            current = self._combine(saved)
            if changed.keys() & set(ENDS):
                check_ends({name: getattr(current, name) for name in ENDS})
            write_atomically(self.path, json.dumps(saved, ensure_ascii=False, indent=2, sort_keys=True) + "\n")
            self._saved, self._current = saved, current
            return current

    def _combine(self, saved: Mapping[str, Any]) -> Settings:
        # Names of a newer version stay in the file untouched, so that going back and forth loses nothing.
        return check_settings(
            {name: value for name, value in saved.items() if name in Settings.model_fields} | self._overrides
        )

    def _read(self) -> dict[str, Any]:
        try:
            data = json.loads(self.path.read_text("utf-8"))
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise StorageProblem(
                f"The settings file {self.path} cannot be read: {error.strerror or error}.",
                remedies=("Give this user the right to read it", "Start with --ui-settings-file and another file"),
            ) from error
        except ValueError:
            return self._set_aside({}, "is damaged")
        if not isinstance(data, dict):
            return self._set_aside({}, "is damaged")
        good, bad = {}, []
        for name, value in data.items():
            try:
                good[name] = getattr(check_settings({name: value}), name) if name in Settings.model_fields else value
            except InvalidField as error:
                bad.append(error.detail)
        return self._set_aside(good, f"holds a value that cannot be used ({' '.join(bad)})") if bad else data

    def _set_aside(self, kept: dict[str, Any], why: str) -> dict[str, Any]:
        aside = self.path.with_name(f"{self.path.stem}.damaged-{time.strftime('%Y%m%d-%H%M%S')}{self.path.suffix}")
        try:
            self.path.replace(aside)
            if kept:
                write_atomically(self.path, json.dumps(kept, ensure_ascii=False, indent=2, sort_keys=True) + "\n")
        except OSError as error:
            raise StorageProblem(f"{self.path} {why}, and cannot be set aside: {error.strerror or error}.") from error
        rest = "The other settings are kept." if kept else "The defaults are in force."
        self.message = f"The settings file {why}. It was set aside as {aside.name}. {rest}"
        log.warning("%s", self.message)
        return kept


def write_atomically(path: Path, text: str) -> None:
    """Write the file whole or leave it as it was, also through a crash; raises StorageProblem when it cannot be."""
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".new")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise StorageProblem(
            f"{path} cannot be written: {error.strerror or error}.",
            remedies=("Make room on the disk", "Give this user the right to write there"),
        ) from error
