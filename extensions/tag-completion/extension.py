"""Completion of tags in the prompt: the address that a page asks while somebody types."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from webui.extend import Asked, Route, hookimpl

from .tags import Tags

FOLDER = Path(__file__).parent / "tags"
"""Where tag lists are put: any number of CSV files."""
MOST = 8


@hookimpl
def routes() -> list[Route]:
    """GET /api/v1/x/tag-completion/tags?q=...: for everybody who may write prompts."""
    return [Route("tags", "extension:tags", level="visitor")]


def tags(asked: Asked) -> dict[str, Any]:
    """The tags that begin with `q`, or have an alias which does, the most used first."""
    found = _read(_stamps()).find(str(asked.values.get("q", ""))[:100], MOST)
    return {"tags": [{"name": tag.name, "kind": tag.kind, "uses": tag.uses, "alias": alias} for tag, alias in found]}


def _stamps() -> tuple[tuple[str, int], ...]:
    """The lists that are there now, with when they were changed: another answer reads them anew."""
    files = sorted(FOLDER.glob("*.csv")) if FOLDER.is_dir() else []
    return tuple((str(path), path.stat().st_mtime_ns) for path in files)


@cache
def _read(stamps: tuple[tuple[str, int], ...]) -> Tags:
    _read.cache_clear()
    return Tags([Path(path) for path, _ in stamps])
