"""What was found in files and folders, looked at once and remembered until they or the recognisers change. Torch-free.

The table keeps it as JSON; what is looked at anew goes through JSON too, so that nothing depends on when it was.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from webui.core.registry import Architecture
from webui.engine.checkpoints.architectures.base import Form
from webui.engine.checkpoints.hashes import legacy_hash
from webui.engine.checkpoints.identify import Identified, Kinds, examine
from webui.engine.checkpoints.parts import Inside, Part
from webui.engine.checkpoints.scan import Seen
from webui.engine.checkpoints.table import ModelTable
from webui.plugins.resolve import resolve

log = logging.getLogger(__name__)

# Looks are kept after so many, so that a start that is cut short loses few.
_BATCH = 100
# Of what a file says of itself in words, these are worth showing (the names are those of modelspec).
_SPEC = "modelspec."
_SPEC_NAMES = ("title", "author", "description", "license", "usage_hint", "trigger_phrase", "prediction_type")
_SPEC_LETTERS = 2_000


@dataclass(frozen=True, slots=True)
class Look:
    """What lies in a file or folder. legacy_hash: A1111's of eight digits, "" for a folder."""

    inside: Inside
    what: Identified
    legacy_hash: str = ""


class Looks:
    """All looks of one process; `of` is called by one thread at a time."""

    def __init__(self, table: ModelTable, kinds: Kinds) -> None:
        self._table, self._kinds = table, kinds
        self._version = version_of(kinds)
        self._known: dict[str, tuple[str, Look]] = {}

    def of(self, seen: Iterable[Seen], patience: float | None = None) -> dict[Path, Look]:
        """The looks at these; what changed since the last time is looked at now.

        patience: seconds after which those that were not reached are left out, to be asked for again; one is reached.
        """
        end = time.monotonic() + (math.inf if patience is None else patience)
        wanted = {one.path: one for one in seen}
        unknown = self._unknown(wanted.values())
        fresh: dict[str, tuple[str, str]] = {}
        reached = False
        for one in unknown:
            if reached and time.monotonic() > end:
                self._known.pop(str(one.path), None)
                continue
            reached = True
            look, text = self._look(one)
            self._known[str(one.path)] = one.stamp, look
            if text:
                fresh[str(one.path)] = one.stamp, text
            if len(fresh) >= _BATCH:
                self._table.keep_looks(self._version, fresh)
                fresh = {}
        if fresh:
            self._table.keep_looks(self._version, fresh)
        return {path: self._known[str(path)][1] for path in wanted if str(path) in self._known}

    def known(self, seen: Iterable[Seen]) -> dict[Path, Look]:
        """The looks at those of these that this process or the table knows as they are now; no file is opened."""
        wanted = {one.path: one for one in seen}
        unknown = {one.path for one in self._unknown(wanted.values())}
        return {path: self._known[str(path)][1] for path in wanted if path not in unknown}

    def _unknown(self, wanted: Iterable[Seen]) -> list[Seen]:
        """Those of which nothing is known, in the table neither."""
        unknown = [one for one in wanted if self._stamp(one) != one.stamp]
        if unknown:
            self._recall(unknown)
        return [one for one in unknown if self._stamp(one) != one.stamp]

    def _stamp(self, one: Seen) -> str | None:
        known = self._known.get(str(one.path))
        return known[0] if known else None

    def _recall(self, unknown: Iterable[Seen]) -> None:
        """Take what the table knows of these; what it knows of files that are gone is forgotten."""
        kept = self._table.looks(self._version)
        for one in unknown:
            stamp, text = kept.pop(str(one.path), ("", ""))
            if stamp == one.stamp:
                try:
                    self._known[str(one.path)] = stamp, from_json(one.path, text)
                except (ValueError, KeyError, TypeError, IndexError):
                    log.warning("What was remembered of %s is damaged; it is looked at again.", one.path)
        self._table.forget_looks(path for path in kept if path not in self._known and not Path(path).exists())

    def _look(self, one: Seen) -> tuple[Look, str]:
        """The look, and it as JSON; "" where it cannot be JSON, or was taken while the file was changing."""
        examined = examine(one.path, self._kinds)
        try:
            legacy = "" if one.is_folder else legacy_hash(one.path)
        except OSError:
            legacy = ""
        look = Look(_without_long_texts(examined.inside), examined.what, legacy)
        try:
            text = to_json(one.path, look)
            return from_json(one.path, text), text
        except (TypeError, ValueError):
            log.warning("What was found in %s cannot be remembered.", one.path, exc_info=True)
            return look, ""


def version_of(kinds: Kinds) -> str:
    """A digest of the rows and of the code that recognises: what another one has found does not count."""
    digest = hashlib.sha256(repr(kinds).encode())
    for source in sorted(_sources(kinds.architectures)):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def _sources(architectures: Iterable[Architecture]) -> set[Path]:
    """The files of this package, and those of the recognisers that extensions bring."""
    found = set(Path(__file__).parent.rglob("*.py"))
    for row in architectures:
        module = sys.modules.get(getattr(_recogniser(row), "__module__", ""))
        file = getattr(module, "__file__", None)
        if file and Path(file).is_file():
            found.add(Path(file))
    return found


def _recogniser(row: Architecture) -> Any:
    try:
        return resolve(row.recognise)
    except Exception:
        # It is said when it is asked to recognise something.
        log.debug("%s names no recogniser.", row.name, exc_info=True)
        return None


def to_json(path: Path, look: Look) -> str:
    """A look as text. Raises TypeError and ValueError for a form that holds more than JSON can."""
    parts = list(look.inside.parts)
    what = look.what
    return json.dumps(
        {
            "parts": [_part_to_json(path, part) for part in parts],
            "named": {name: parts.index(part) for name, part in look.inside.named.items()},
            "broken": look.inside.broken,
            "odd": look.inside.odd,
            "metadata": dict(look.inside.metadata),
            "what": {
                **{name: value for name, value in _plain(what).items() if name != "parts"},
                "parts": {name: parts.index(part) for name, part in what.parts.items()},
            },
            "legacy": look.legacy_hash,
        },
        allow_nan=False,
        separators=(",", ":"),
    )


def from_json(path: Path, text: str) -> Look:
    """The look that `to_json` described. Raises ValueError, KeyError, TypeError, IndexError for any other text."""
    data = json.loads(text)
    parts = tuple(_part_from_json(path, part) for part in data["parts"])
    named = {name: parts[place] for name, place in data["named"].items()}
    what = data["what"]
    chosen = {name: parts[place] for name, place in what.pop("parts").items()}
    missing = tuple(what.pop("missing"))
    return Look(
        Inside(parts, named, data["broken"], tuple(data["odd"]), data["metadata"]),
        Identified(**what, parts=chosen, missing=missing),
        data["legacy"],
    )


def _plain(what: Identified) -> dict[str, Any]:
    return asdict(replace(what, parts={}, scheduler=dict(what.scheduler)))


def _part_to_json(path: Path, part: Part) -> dict[str, Any]:
    form = part.form
    return {
        "architecture": part.architecture,
        "role": part.role,
        "files": [file.relative_to(path).as_posix() for file in part.files],
        "form": [form.layout, dict(form.config), dict(form.facts)],
        "prefix": part.prefix,
        "precision": part.precision,
        "parameters": part.parameters,
        "size_bytes": part.size_bytes,
    }


def _part_from_json(path: Path, data: Mapping[str, Any]) -> Part:
    files = tuple(path / name if name != "." else path for name in data["files"])
    return Part(**{**data, "files": files, "form": Form(*data["form"])})


def _without_long_texts(inside: Inside) -> Inside:
    """The same with what is worth showing of the file's own words: some hold pictures and whole training logs."""
    kept = {
        name: inside.metadata[f"{_SPEC}{name}"][:_SPEC_LETTERS]
        for name in _SPEC_NAMES
        if f"{_SPEC}{name}" in inside.metadata
    }
    return replace(inside, metadata=kept)
